//! The work store's schema, brought to the newest step by step.

use super::{Connection, Place, Server};
use crate::store::{
    StoreError,
    database::{self, Cells},
    statement::Statement,
};
use mcpctl_migrations::postgres::WORK;

/// Opens the store, or makes it.
pub(crate) fn open(server: &Server) -> Result<(database::Writer, database::Readers), StoreError> {
    let place = Place { server: server.clone(), schema: "work".to_owned() };
    migrate(&place)?;
    let writer = super::Writer::open(place.clone())?;
    Ok((database::Writer::Postgres(writer), database::Readers::Postgres(super::Readers::open(place)?)))
}

/// All steps that are missing, or none.
fn migrate(place: &Place) -> Result<(), StoreError> {
    let connection = Connection::open(place)?;
    connection.run("BEGIN")?;
    // Two that start together would be in each other's way.
    connection.run("SELECT pg_advisory_xact_lock(8421)")?;
    connection.run(
        "CREATE SCHEMA IF NOT EXISTS work;
         CREATE TABLE IF NOT EXISTS work.schema_version (version BIGINT NOT NULL PRIMARY KEY)",
    )?;
    let version = Statement::new("SELECT COALESCE(MAX(version), 0) FROM schema_version");
    let found: i64 = connection.fetch(&version, read_version)?.pop().unwrap_or_default();
    let known = u32::try_from(WORK.len()).unwrap_or(u32::MAX);
    if found > i64::from(known) {
        return Err(StoreError::NewerVersion { file: place.to_string().into(), found, known });
    }
    let done = usize::try_from(found).unwrap_or_default();
    for (step, version) in WORK.iter().zip(1..).skip(done) {
        connection.run(&format!("{step}\nINSERT INTO schema_version (version) VALUES ({version});"))?;
    }
    connection.run("COMMIT")
}

fn read_version(cells: &mut Cells) -> Result<i64, String> {
    cells.number()
}
