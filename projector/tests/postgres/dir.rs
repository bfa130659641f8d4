//! A database of a test's own, on a server of its own.

use mcpctl_projector::store::Database;
use mcpctl_tests::postgres::Postgres;

const NAME: &str = "registry";

/// A server with an empty database.
pub struct Dir {
    pub server: Postgres,
    url: String,
}

impl Dir {
    /// So many lives are tried: each starts a server.
    pub const CASES: u32 = 12;

    pub fn new() -> Self {
        let server = Postgres::start();
        Self { url: server.create(NAME), server }
    }

    pub fn database(&self) -> Database {
        self.url.parse().unwrap()
    }

    /// The generations of the tables that are there.
    pub fn generations(&self) -> Vec<u64> {
        let schemas = self.server.run(NAME, "SELECT nspname FROM pg_namespace");
        let mut numbers: Vec<_> =
            schemas.lines().filter_map(|schema| schema.strip_prefix("tables_")?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// What a query by hand finds, the columns of its only row with `|` between them.
    pub fn show(&self, generation: u64, sql: &str) -> String {
        let sql = format!("SET search_path = tables_{generation}; {sql}");
        self.server.run(NAME, &sql).trim_end().to_owned()
    }

    /// Runs SQL by hand on a generation of the tables.
    pub fn run(&self, generation: u64, sql: &str) {
        self.server.run(NAME, &format!("SET search_path = tables_{generation}; {sql}"));
    }
}
