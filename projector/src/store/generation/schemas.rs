//! Generations as schemas of a Postgres database: `mcpctl.live` names the live one, `tables_<n>`, and views of the same
//! names in the schema `public` show it to people.

use super::Lock;
use crate::store::{
    StoreError, checkpoint,
    database::{Cells, Readers, Snapshot, Writer},
    postgres::{self, Connection, Place, Server},
    statement::Statement,
};
use mcpctl_migrations::PROJECTION_VERSION;
use std::path::PathBuf;

/// What generations have in common.
const COMMON: &str = "mcpctl";
const PREFIX: &str = "tables_";
/// Held by one at a time, and in nobody's way who reads or writes.
const TAKE_LOCK: &str = "LOCK TABLE mcpctl.live IN SHARE UPDATE EXCLUSIVE MODE";
/// What people find without knowing of generations.
const SHOWN: [&str; 10] = [
    "llms",
    "agents",
    "projects",
    "personalities",
    "prompts",
    "sessions",
    "tokens",
    "role_bindings",
    "events",
    "projection_checkpoint",
];

/// A database.
#[derive(Debug, Clone)]
pub(crate) struct Schemas(pub Server);

impl Schemas {
    pub(super) fn shown(&self) -> PathBuf {
        self.0.to_string().into()
    }

    pub(super) fn place(&self, number: u64) -> PathBuf {
        self.at(number).to_string().into()
    }

    fn at(&self, number: u64) -> Place {
        Place { server: self.0.clone(), schema: format!("{PREFIX}{number}") }
    }

    fn common(&self) -> Result<Connection, StoreError> {
        Connection::open(&Place { server: self.0.clone(), schema: COMMON.to_owned() })
    }

    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        let connection = self.common()?;
        // Two that make the same for the first time would be in each other's way.
        connection.run("BEGIN")?;
        connection.run("SELECT pg_advisory_xact_lock(8420)")?;
        connection.run(mcpctl_migrations::postgres::GENERATIONS)?;
        connection.run("COMMIT")?;
        connection.run("BEGIN")?;
        connection.run(TAKE_LOCK)?;
        Ok(Lock::Table(connection.into()))
    }

    pub(super) fn named(&self) -> Result<Option<u64>, StoreError> {
        let connection = self.common()?;
        let is_there = Statement::new("SELECT to_regclass('mcpctl.live') IS NOT NULL");
        if !connection.fetch(&is_there, read_flag)?.contains(&true) {
            return Ok(None);
        }
        let named = Statement::new("SELECT generation FROM live WHERE generation IS NOT NULL");
        Ok(connection.fetch(&named, read_number)?.pop())
    }

    pub(super) fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let schemas = Statement::new("SELECT CAST(nspname AS TEXT) FROM pg_catalog.pg_namespace");
        let read = |cells: &mut Cells| Ok(cells.text()?.strip_prefix(PREFIX).and_then(|number| number.parse().ok()));
        Ok(self.common()?.fetch(&schemas, read)?.into_iter().flatten().collect())
    }

    pub(super) fn exists(&self, number: u64) -> Result<bool, StoreError> {
        Ok(self.numbers()?.contains(&number))
    }

    pub(super) fn make(&self, number: u64) -> Result<(), StoreError> {
        let mut writer = Writer::Postgres(postgres::Writer::open(self.at(number))?);
        let schema = format!("CREATE SCHEMA {PREFIX}{number};\n{}", mcpctl_migrations::postgres::TABLES);
        writer.begin()?;
        if let Writer::Postgres(writer) = &writer {
            writer.run(&schema)?;
        }
        writer.execute(&checkpoint::first(number, PROJECTION_VERSION))?;
        writer.commit()
    }

    pub(super) fn writer(&self, number: u64) -> Result<Writer, StoreError> {
        postgres::Writer::open(self.at(number)).map(Writer::Postgres)
    }

    pub(super) fn readers(&self, number: u64) -> Result<Readers, StoreError> {
        postgres::Readers::open(self.at(number)).map(Readers::Postgres)
    }

    pub(super) fn snapshot(&self, number: u64) -> Result<Snapshot, StoreError> {
        postgres::Snapshot::open(&self.at(number)).map(Snapshot::Postgres)
    }

    pub(super) fn point_to(&self, number: u64) -> Result<(), StoreError> {
        let connection = self.common()?;
        connection.run("BEGIN")?;
        connection.run(&format!("UPDATE live SET generation = {number} WHERE id = 1"))?;
        for name in SHOWN {
            let view = format!("VIEW public.{name} AS SELECT * FROM {PREFIX}{number}.{name}");
            connection.run("SAVEPOINT view")?;
            // What people were granted on it stays, unless its columns are others now.
            if connection.run(&format!("CREATE OR REPLACE {view}")).is_err() {
                connection
                    .run(&format!("ROLLBACK TO SAVEPOINT view; DROP VIEW IF EXISTS public.{name}; CREATE {view}"))?;
            }
        }
        connection.run("COMMIT")
    }

    pub(super) fn remove(&self, number: u64) -> Result<(), StoreError> {
        self.common()?.run(&format!("DROP SCHEMA IF EXISTS {PREFIX}{number} CASCADE"))
    }
}

fn read_flag(cells: &mut Cells) -> Result<bool, String> {
    cells.flag()
}

fn read_number(cells: &mut Cells) -> Result<u64, String> {
    cells.number()
}
