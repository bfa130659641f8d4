//! The SQL schemas, embedded.
//!
//! The read tables have one schema per projection version and are never migrated: they are filled anew from the log.
//! The work store holds what nobody can rebuild; it is migrated forward, step by step.

/// Changes whenever the read tables' schema or meaning does: older tables are then filled anew from the log.
pub const PROJECTION_VERSION: u32 = 4;

/// The SQLite schemas.
pub mod sqlite {
    /// The read tables, empty.
    pub const TABLES: &str = include_str!("../sqlite/tables.sql");

    /// The steps of the work store's schema; the store at version `n` has had the first `n`.
    pub const WORK: &[&str] = &[
        include_str!("../sqlite/work_0001_threads.sql"),
        include_str!("../sqlite/work_0002_inference_tasks.sql"),
        include_str!("../sqlite/work_0003_tool_calls.sql"),
        include_str!("../sqlite/work_0004_token_uses.sql"),
        include_str!("../sqlite/work_0005_boots.sql"),
        include_str!("../sqlite/work_0006_tasks_under_way.sql"),
    ];
}

/// The Postgres schemas.
pub mod postgres {
    /// The read tables, empty, in the schema that is searched first.
    pub const TABLES: &str = include_str!("../postgres/tables.sql");

    /// What generations have in common, in the schema `mcpctl`; run at every start.
    pub const GENERATIONS: &str = include_str!("../postgres/generations.sql");

    /// The steps of the work store's schema; the store at version `n` has had the first `n`.
    pub const WORK: &[&str] = &[
        include_str!("../postgres/work_0001_threads.sql"),
        include_str!("../postgres/work_0002_inference_tasks.sql"),
        include_str!("../postgres/work_0003_tool_calls.sql"),
        include_str!("../postgres/work_0004_token_uses.sql"),
        include_str!("../postgres/work_0005_boots.sql"),
        include_str!("../postgres/work_0006_tasks_under_way.sql"),
    ];
}
