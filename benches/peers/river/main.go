// How many jobs that do nothing River works off per second: the same question as benches/queue.rs asks of us.
//
// The jobs are inserted beforehand, in bulk; the clock runs from the start of the client until the last one is recorded as completed.
// River (the open source one) keeps no order per key, so it has less to do than we have.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const chunk = 10_000

type nothing struct{}

func (nothing) Kind() string { return "nothing" }

type worker struct {
	river.WorkerDefaults[nothing]
}

func (*worker) Work(context.Context, *river.Job[nothing]) error { return nil }

func main() {
	jobs, err := strconv.Atoi(os.Args[2])
	check(err)
	workers, err := strconv.Atoi(os.Args[3])
	check(err)
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Args[1])
	check(err)
	client := open(ctx, pool, workers)
	fill(ctx, pool, client, jobs)

	start := time.Now()
	check(client.Start(ctx))
	for left := jobs; left > 0; {
		time.Sleep(5 * time.Millisecond)
		check(pool.QueryRow(ctx, "SELECT count(*) FROM river_job WHERE state <> 'completed'").Scan(&left))
	}
	took := time.Since(start)
	fmt.Printf("%.0f\n", float64(jobs)/took.Seconds())
	check(client.Stop(ctx))
}

// A client with the shortest pauses that River allows and room for many jobs at a time.
func open(ctx context.Context, pool *pgxpool.Pool, workers int) *river.Client[pgx.Tx] {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
	registry := river.NewWorkers()
	river.AddWorker(registry, &worker{})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     river.FetchCooldownMin,
		FetchPollInterval: 5 * time.Millisecond,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:           registry,
	})
	check(err)
	return client
}

func fill(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], jobs int) {
	_, err := pool.Exec(ctx, "TRUNCATE river_job")
	check(err)
	for left := jobs; left > 0; {
		count := min(left, chunk)
		params := make([]river.InsertManyParams, count)
		for place := range params {
			params[place] = river.InsertManyParams{Args: nothing{}}
		}
		_, err := client.InsertManyFast(ctx, params)
		check(err)
		left -= count
	}
	_, err = pool.Exec(ctx, "VACUUM ANALYZE river_job")
	check(err)
	_, err = pool.Exec(ctx, "CHECKPOINT")
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
