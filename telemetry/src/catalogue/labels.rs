//! The labels that metrics may carry. A label's values are bounded: an enum in the code, or an interner that says `other` after
//! its hundredth value. Never an id, a raw path, an error's text.

macro_rules! labels {
    ($($label:ident = $name:literal, $doc:literal;)*) => {
        /// Every label of the house.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Label {
            $(#[doc = $doc] $label,)*
        }

        impl Label {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$label),*];

            /// The name as it is exposed.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$label => $name,)* }
            }
        }
    };
}

labels! {
    HttpRequestMethod = "http_request_method", "The method, or `_OTHER`.";
    HttpRoute = "http_route", "The template of the route, never the path.";
    HttpResponseStatusCode = "http_response_status_code", "The status as three digits.";
    UrlScheme = "url_scheme", "`http` or `https`.";
    NetworkProtocolVersion = "network_protocol_version", "`1.1` or `2`.";
    ErrorType = "error_type", "The kind of an error; empty when there was none.";
    TlsVersion = "tls_version", "`1.2` or `1.3`.";
    ServerName = "server_name", "The first host name of a configured certificate.";
    ServerAddress = "server_address", "Which of the services we call; a name, not an address from outside.";
    DbSystemName = "db_system_name", "`postgresql` or `redis`.";
    DbOperationName = "db_operation_name", "What the operation is for: `claim`, `settle`, `accept`.";
    MessagingSystem = "messaging_system", "`redis`.";
    MessagingDestinationName = "messaging_destination_name", "The kind of message, or the name of a stream.";
    GenAiOperationName = "gen_ai_operation_name", "`chat`.";
    GenAiProviderName = "gen_ai_provider_name", "Who runs the model.";
    GenAiRequestModel = "gen_ai_request_model", "The model asked for, from the configuration.";
    GenAiTokenType = "gen_ai_token_type", "`input` or `output`.";
    Group = "group", "Which group of upstreams, by its name in the settings.";
    Gate = "gate", "What requests are let in to: `accept`, or `forward:` and who is asked there.";
    Importance = "importance", "How much is lost when a request is turned away: `background`, `normal` or `interactive`.";
    State = "state", "One of the states of what is counted.";
    Outcome = "outcome", "What became of it.";
    Limiter = "limiter", "Which rate limiter.";
    Rule = "rule", "Which rule of the inspection.";
    Part = "part", "Which part of a request: `path`, `query`, `headers`, `cookies` or `body`.";
    Source = "source", "Which configured source of deliveries.";
    Sink = "sink", "Where a delivery was stored: `postgres` or `spool`.";
    Reason = "reason", "Why, as one word.";
    Kind = "kind", "The kind of message.";
    Provider = "provider", "Which provider we send to.";
    Scope = "scope", "Whose limit it was: `global`, `route` or `chat`.";
    Policy = "policy", "What is done about it.";
    Component = "component", "Which crate.";
    Dependency = "dependency", "Which dependency.";
    Pool = "pool", "Which pool of connections.";
    Signal = "signal", "`spans`, `recorder`, `otlp` or `logs`.";
    Severity = "severity", "The severity of a log line.";
    Version = "version", "The version.";
    Revision = "revision", "The commit.";
}
