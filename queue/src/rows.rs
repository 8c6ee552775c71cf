//! Reading rows into types: numbers and bytes that only this program writes, checked nevertheless.

use sallyport_telemetry::trace::SpanContext;
use tokio_postgres::Row;

use crate::error::StoreError;
use crate::message::Priority;
use crate::partition::Partition;

/// The trace context in the column `trace`.
pub(crate) fn trace(row: &Row, table: &'static str) -> Result<SpanContext, StoreError> {
    SpanContext::from_bytes(row.get("trace")).map_err(|error| StoreError::Row {
        table,
        what: error.to_string(),
    })
}

/// The partition in the column `partition`.
pub(crate) fn partition(row: &Row, table: &'static str) -> Result<Partition, StoreError> {
    let number: i16 = row.get("partition");
    Partition::from_sql(number).ok_or_else(|| StoreError::Row {
        table,
        what: format!("partition {number}"),
    })
}

/// The priority in the column `priority`.
pub(crate) fn priority(row: &Row, table: &'static str) -> Result<Priority, StoreError> {
    let number: i16 = row.get("priority");
    Priority::from_sql(number).ok_or_else(|| StoreError::Row {
        table,
        what: format!("priority {number}"),
    })
}

/// A count that cannot be negative.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A small number that cannot be negative.
pub(crate) fn small(number: i16) -> u16 {
    u16::try_from(number).unwrap_or(0)
}
