//! Statements that a connection keeps.
//!
//! A statement that is given as text is parsed and planned at every call, which costs Postgres several times what running a
//! small one does, and a round trip more. What runs for every message is prepared once per connection instead.

use deadpool_postgres::GenericClient;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

/// What [`GenericClient`] does with a statement, done with one that the connection keeps after its first use. Only for texts
/// that are fixed: each of them stays for as long as its connection lives.
pub trait Cached {
    /// All rows.
    ///
    /// # Errors
    /// As of the statement.
    fn query_cached(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;

    /// The one row, or none.
    ///
    /// # Errors
    /// As of the statement, and for more rows than one.
    fn query_opt_cached(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Option<Row>, Error>> + Send;

    /// The one row.
    ///
    /// # Errors
    /// As of the statement, and for any other number of rows.
    fn query_one_cached(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Row, Error>> + Send;

    /// How many rows it changed.
    ///
    /// # Errors
    /// As of the statement.
    fn execute_cached(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}

impl<C: GenericClient> Cached for C {
    async fn query_cached(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let statement = self.prepare_cached(statement).await?;
        self.query(&statement, parameters).await
    }

    async fn query_opt_cached(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let statement = self.prepare_cached(statement).await?;
        self.query_opt(&statement, parameters).await
    }

    async fn query_one_cached(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let statement = self.prepare_cached(statement).await?;
        self.query_one(&statement, parameters).await
    }

    async fn execute_cached(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        let statement = self.prepare_cached(statement).await?;
        self.execute(&statement, parameters).await
    }
}
