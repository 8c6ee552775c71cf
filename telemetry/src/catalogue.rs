//! The catalogue: every metric and every label that the house may emit, in one list.
//!
//! Dashboards, alert rules and tests are checked against it, so a name that is not here cannot be emitted and one that is here
//! must be (`tests/catalogue.rs` reads the sources). Names follow OpenTelemetry's conventions where there is one, translated for
//! Prometheus; our own begin with `sallyport_`. Gauges that are read from the shared store are exported by several instances:
//! aggregate them with `max`, never with `sum`.

mod buckets;
mod labels;

pub use buckets::Buckets;
pub use labels::Label;

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram(Buckets),
}

/// What a metric counts in. Base units only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Tokens of a language model.
    Tokens,
    /// Things.
    Count,
}

/// What the catalogue says about one metric.
#[derive(Debug)]
pub struct Definition {
    /// The name as it is exposed.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Unit,
    /// Its labels, in the order in which [`Family`](crate::metrics::Family) takes their values.
    pub labels: &'static [Label],
    /// One sentence for whoever meets it on a dashboard.
    pub help: &'static str,
}

macro_rules! catalogue {
    ($($metric:ident: $kind:expr, $unit:ident, $name:literal, [$($label:ident),*], $help:literal;)*) => {
        /// Every metric of the house.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric {
            $(#[doc = concat!("`", $name, "`: ", $help)] $metric,)*
        }

        impl Metric {
            /// All of them, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$metric),*];

            /// What the catalogue says about this one.
            pub const fn definition(self) -> &'static Definition {
                use Kind::{Counter, Gauge, Histogram};
                match self {
                    $(Self::$metric => const {
                        &Definition { name: $name, kind: $kind, unit: Unit::$unit, labels: &[$(Label::$label),*], help: $help }
                    },)*
                }
            }
        }
    };
}

catalogue! {
    // Requests that come in, requests that go out.
    HttpServerRequestDuration: Histogram(Buckets::HTTP), Seconds, "http_server_request_duration_seconds",
        [HttpRequestMethod, HttpRoute, HttpResponseStatusCode, UrlScheme, NetworkProtocolVersion, ErrorType],
        "Time from the end of a request's head to the last byte of its answer, or to the head of one without an end.";
    HttpServerActiveRequests: Gauge, Count, "http_server_active_requests", [HttpRequestMethod],
        "Requests that are being answered.";
    HttpClientRequestDuration: Histogram(Buckets::LONG), Seconds, "http_client_request_duration_seconds",
        [ServerAddress, HttpRequestMethod, HttpResponseStatusCode, ErrorType],
        "Time of our requests to the services we call.";
    DbClientOperationDuration: Histogram(Buckets::DATABASE), Seconds, "db_client_operation_duration_seconds",
        [DbSystemName, DbOperationName, ErrorType], "Time of one operation of a database.";
    MessagingClientSentMessages: Counter, Count, "messaging_client_sent_messages_total",
        [MessagingSystem, MessagingDestinationName, ErrorType], "Events published, or not, by what went wrong.";
    MessagingClientConsumedMessages: Counter, Count, "messaging_client_consumed_messages_total",
        [MessagingSystem, MessagingDestinationName, ErrorType], "Events read; `gap` when some were gone before that.";
    MessagingProcessDuration: Histogram(Buckets::LONG), Seconds, "messaging_process_duration_seconds",
        [MessagingDestinationName, ErrorType], "Time of one attempt at a message, by kind.";
    GenAiClientOperationDuration: Histogram(Buckets::MODEL), Seconds, "gen_ai_client_operation_duration_seconds",
        [GenAiOperationName, GenAiProviderName, GenAiRequestModel, ErrorType], "Time of one call of a language model.";
    GenAiClientTokenUsage: Histogram(Buckets::TOKENS), Tokens, "gen_ai_client_token_usage",
        [GenAiOperationName, GenAiProviderName, GenAiRequestModel, GenAiTokenType], "Tokens of one call of a language model.";
    GenAiClientTimeToFirstChunk: Histogram(Buckets::MODEL), Seconds, "gen_ai_client_operation_time_to_first_chunk_seconds",
        [GenAiRequestModel], "Time until a language model's answer began.";

    // The edge.
    ConnectionsOpen: Gauge, Count, "sallyport_connections_open", [State], "Open connections by what they are doing.";
    Connections: Counter, Count, "sallyport_connections_total", [Outcome], "Connections by what became of them.";
    TlsHandshakeDuration: Histogram(Buckets::SHORT), Seconds, "sallyport_tls_handshake_duration_seconds",
        [TlsVersion, Outcome], "Time of a TLS handshake; the version is empty when none was agreed on.";
    TlsCertificateNotAfter: Gauge, Seconds, "sallyport_tls_certificate_not_after_timestamp_seconds", [ServerName],
        "When a certificate expires, as a Unix time; of several for one name the first to expire. NaN when it is served no more.";
    TlsCertificatesReloadSuccessful: Gauge, Count, "sallyport_tls_certificates_last_reload_successful", [],
        "1 while the certificates are served that lie in the files; 0 when the last ones were refused and older ones stay.";
    Upstreams: Gauge, Count, "sallyport_upstreams", [Group, State], "Upstreams of a group by how they do.";
    UpstreamRequestsInFlight: Gauge, Count, "sallyport_upstream_requests_in_flight", [Group],
        "Requests that the upstreams of a group have in hand, WebSockets and event streams among them.";
    UpstreamRequests: Counter, Count, "sallyport_upstream_requests_total", [Group, Outcome],
        "Tries of requests at the upstreams of a group, by what came of them.";
    UpstreamRetries: Counter, Count, "sallyport_upstream_retries_total", [Group, Outcome],
        "Requests that failed and could be sent again: those that were, and those beyond the budget.";
    UpstreamChanges: Counter, Count, "sallyport_upstream_changes_total", [Group, Outcome],
        "What happened to the upstreams of a group that changed who is asked.";
    UpstreamLookups: Counter, Count, "sallyport_upstream_lookups_total", [Group, Outcome],
        "Lookups of the name of a group.";
    AcmeOrders: Counter, Count, "sallyport_acme_orders_total", [Outcome],
        "Certificates that an authority was asked for, by what came of it.";
    RateLimitDecisions: Counter, Count, "sallyport_rate_limit_decisions_total", [Limiter, Outcome],
        "Decisions of the rate limiters.";
    RequestsShed: Counter, Count, "sallyport_requests_shed_total", [Gate, Importance, Reason],
        "Requests that were turned away because others are more important and the house is slow (`slow`) or full (`full`).";
    SheddingLevel: Gauge, Count, "sallyport_shedding_level", [Gate],
        "How many classes of importance are turned away at a gate: 0 none, 1 background, 2 normal too, 3 interactive too.";
    InspectionFindings: Counter, Count, "sallyport_inspection_findings_total", [Rule, Part, Outcome],
        "Rules of the inspection that matched, and what was done about it.";
    OpenApiMisfits: Counter, Count, "sallyport_openapi_misfits_total", [HttpRoute, Outcome],
        "Requests that do not fit the OpenAPI document of their route: `blocked`, or `logged` and handed on.";
    CacheRequests: Counter, Count, "sallyport_cache_requests_total", [HttpRoute, Outcome],
        "Requests on routes that keep answers, by how they were served.";
    CacheBytes: Gauge, Bytes, "sallyport_cache_bytes", [HttpRoute], "Memory of the answers that a route keeps.";
    SignatureChecks: Counter, Count, "sallyport_signature_checks_total", [Source, Outcome],
        "Checks of a webhook's secret or signature.";
    AccessTokenChecks: Counter, Count, "sallyport_access_token_checks_total", [HttpRoute, Outcome],
        "Checks of a caller's access token, by what was wrong with it.";
    IntakeAccepted: Counter, Count, "sallyport_intake_accepted_total", [Source, Sink],
        "Deliveries that were stored and answered with a 2xx.";
    IntakeRejected: Counter, Count, "sallyport_intake_rejected_total", [Source, Reason], "Deliveries that were refused.";
    IntakeDuplicates: Counter, Count, "sallyport_intake_duplicates_total", [Source],
        "Deliveries that had been stored before.";
    IntakeCommitDuration: Histogram(Buckets::SHORT), Seconds, "sallyport_intake_commit_duration_seconds", [Sink],
        "Time of one durable commit of accepted deliveries.";
    SpoolBytes: Gauge, Bytes, "sallyport_spool_bytes", [], "Bytes in the spool that are not replayed.";
    SpoolCapacity: Gauge, Bytes, "sallyport_spool_capacity_bytes", [], "The most bytes that the spool holds.";
    SpoolRecords: Gauge, Count, "sallyport_spool_records", [], "Messages in the spool that are not replayed.";
    SpoolOldestUnreplayed: Gauge, Seconds, "sallyport_spool_oldest_unreplayed_timestamp_seconds", [],
        "When the oldest message in the spool was accepted; 0 when it is empty.";
    SpoolReplayed: Counter, Count, "sallyport_spool_replayed_total", [Outcome],
        "Messages of the spool by what became of them in Postgres.";
    SpoolQuarantinedSegments: Counter, Count, "sallyport_spool_quarantined_segments_total", [],
        "Files of the spool that were kept for people.";
    SpoolFsyncDuration: Histogram(Buckets::SHORT), Seconds, "sallyport_spool_fsync_duration_seconds", [],
        "Time of writing and flushing one group of records.";

    // The queue.
    QueueMessages: Gauge, Count, "sallyport_queue_messages", [Kind, State], "Unfinished and dead messages.";
    QueueOldestReady: Gauge, Seconds, "sallyport_queue_oldest_ready_timestamp_seconds", [Kind],
        "When the oldest message that may run became ready; 0 when there is none.";
    LedgerUnaccounted: Gauge, Count, "sallyport_ledger_unaccounted_messages", [],
        "Messages that were accepted and have neither ended nor wait, or are not in the log: must be 0.";
    LedgerAuditLastSuccess: Gauge, Seconds, "sallyport_ledger_audit_last_success_timestamp_seconds", [],
        "When the ledger was last audited; 0 where another process does it.";
    QueueDeadRows: Gauge, Count, "sallyport_queue_dead_rows", [],
        "Rows of the queue that vacuum has not cleared away yet; claims walk over them.";
    PostgresOldestSnapshot: Gauge, Seconds, "sallyport_postgres_oldest_snapshot_seconds", [],
        "Age of the oldest snapshot, which keeps vacuum from clearing rows away.";
    MessagesEnqueued: Counter, Count, "sallyport_messages_enqueued_total", [Kind], "Messages put on the queue.";
    MessagesCompleted: Counter, Count, "sallyport_messages_completed_total", [Kind, Outcome], "Messages that ended.";
    MessageWait: Histogram(Buckets::LONG), Seconds, "sallyport_message_wait_seconds", [Kind, Outcome],
        "Time from being ready to the start of the attempt.";
    MessageAge: Histogram(Buckets::LONG), Seconds, "sallyport_message_age_seconds", [Kind, Outcome],
        "Time from acceptance to the end.";
    MessageRetries: Counter, Count, "sallyport_message_retries_total", [Kind, ErrorType], "Attempts that will be repeated.";
    MessagesDead: Counter, Count, "sallyport_messages_dead_total", [Kind, ErrorType], "Messages that became dead letters.";
    LeasesReclaimed: Counter, Count, "sallyport_leases_reclaimed_total", [],
        "Partitions taken over from a worker that had stopped beating.";
    LeasesLost: Counter, Count, "sallyport_leases_lost_total", [], "Partitions that a worker lost without having let go.";
    FencedCompletions: Counter, Count, "sallyport_fenced_completions_total", [Kind],
        "Settlements refused because another worker owned the partition by then.";

    // What leaves the house.
    OutboundAttempts: Counter, Count, "sallyport_outbound_attempts_total", [Provider, Outcome], "Sends to a provider.";
    OutboundThrottled: Counter, Count, "sallyport_outbound_throttled_total", [Provider, Scope],
        "Sends that a provider asked us to repeat later.";
    OutboundAmbiguous: Counter, Count, "sallyport_outbound_ambiguous_total", [Provider, Policy],
        "Sends of which nobody knows whether they arrived.";

    // What is kept for the worst day. Read from the folder of the backups.
    BackupLastSuccess: Gauge, Seconds, "sallyport_backup_last_success_timestamp_seconds", [Kind],
        "When the last backup, archived segment or passed drill was, as a Unix time; 0 when never.";
    BackupBytes: Gauge, Bytes, "sallyport_backup_bytes", [Kind], "Size of the last backup, and of the archive of the log.";
    BackupDuration: Gauge, Seconds, "sallyport_backup_duration_seconds", [Kind], "How long the last backup or drill took.";
    RestoreDrillRpo: Gauge, Seconds, "sallyport_restore_drill_rpo_seconds", [],
        "Age of the newest transaction that the last passed drill could restore.";
    RestoreDrillRto: Gauge, Seconds, "sallyport_restore_drill_rto_seconds", [],
        "Time from the start of the last passed drill's restore until the server was ready.";
    RestoreDrillFindings: Gauge, Count, "sallyport_restore_drill_findings", [],
        "How many things the last drill found wrong; above 0 the newest backup cannot be relied on.";

    // The process and what it stands on.
    WorkerSlots: Gauge, Count, "sallyport_worker_slots", [State], "Places for handlers, busy and in total.";
    RuntimeSchedulingDelay: Histogram(Buckets::SHORT), Seconds, "sallyport_runtime_scheduling_delay_seconds", [],
        "How late a 100 ms ticker of the runtime fires; a blocked runtime shows here first.";
    Panics: Counter, Count, "sallyport_panics_total", [Component], "Panics, by the crate in which they happened.";
    DependencyUp: Gauge, Count, "sallyport_dependency_up", [Dependency], "1 while the dependency answers, else 0.";
    PoolConnections: Gauge, Count, "sallyport_pool_connections", [Pool, State], "Connections of a pool.";
    PoolWait: Histogram(Buckets::SHORT), Seconds, "sallyport_pool_wait_seconds", [Pool], "Time of waiting for a connection.";
    TelemetryDropped: Counter, Count, "sallyport_telemetry_dropped_total", [Signal, Reason],
        "Spans and log lines that could not be kept.";
    TelemetryQueueLength: Gauge, Count, "sallyport_telemetry_queue_length", [Signal], "Spans and log lines that wait.";
    LogEvents: Counter, Count, "sallyport_log_events_total", [Severity], "Log lines by severity.";
    ConfigLastReloadSuccessful: Gauge, Count, "sallyport_config_last_reload_successful", [],
        "1 while the newest settings are in force, 0 when they were refused and older ones are.";
    ConfigLastReloadSuccess: Gauge, Seconds, "sallyport_config_last_reload_success_timestamp_seconds", [],
        "When the settings in force were read.";
    BuildInfo: Gauge, Count, "sallyport_build_info", [Version, Revision], "Always 1; its labels say what is running.";
    ProcessCpu: Counter, Seconds, "process_cpu_seconds_total", [], "User and system time of the process.";
    ProcessOpenFds: Gauge, Count, "process_open_fds", [], "Open file descriptors.";
    ProcessMaxFds: Gauge, Count, "process_max_fds", [], "The most file descriptors that the process may open.";
    ProcessVirtualMemory: Gauge, Bytes, "process_virtual_memory_bytes", [], "Virtual memory.";
    ProcessResidentMemory: Gauge, Bytes, "process_resident_memory_bytes", [], "Resident memory.";
    ProcessStartTime: Gauge, Seconds, "process_start_time_seconds", [], "When the process started, as a Unix time.";
    ProcessThreads: Gauge, Count, "process_threads", [], "Threads of the process.";
}

impl Metric {
    /// The name as it is exposed.
    pub const fn name(self) -> &'static str {
        self.definition().name
    }
}

#[cfg(test)]
mod tests;
