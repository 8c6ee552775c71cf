# Every way to run, test and check Sallyport. CI calls the same targets.
.PHONY: help run test simulate faults lint waf conformance bench clean-data

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

run: ## start the edge, the queue, the workers and the playground on embedded defaults
	@scripts/run $(ARGS)

test: ## run every test, against real servers that this starts and stops
	@scripts/test $(ARGS)

simulate: ## run SEEDS seeds of the simulated queue, or tell the one SEED step by step
	@SALLYPORT_SIM_SEEDS=$(or $(SEEDS),100000) SALLYPORT_SIM_SEED=$(SEED) cargo test -p sallyport-queue --test simulation no_seed -- --nocapture

faults: ## break the house on purpose, row by row (ROWS=F1,F5 SECONDS=20 SEED=7 PLANT=loss WRITE=yes); the table is docs/faults.md
	@scripts/faults

lint: ## rustfmt, clippy with warnings as errors, licences, bans and sources of dependencies
	@scripts/lint

waf: ## judge public attacks and harmless texts by the input inspection, with both gates (ARGS=--misses)
	@scripts/waf $(ARGS)

conformance: ## let h2spec, testssl.sh, sslyze and the MDN HTTP Observatory judge a real edge; docs/conformance.md
	@scripts/conformance

bench: ## measure; results belong into docs/benchmarks.md
	@scripts/bench $(ARGS)

clean-data: ## stop the private Postgres and delete everything that `make run` keeps
	@scripts/postgres stop .data/postgres
	rm -rf .data
