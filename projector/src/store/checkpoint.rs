//! The checkpoint row.

use super::{
    StoreError,
    database::Cells,
    generation::Generation,
    statement::{Statement, Value},
};
use crate::{Batch, Checkpoint};
use mcpctl_events::{hash::Hash, log::Position};

/// Moves the checkpoint, if it is where the batch begins and the tables are still the live ones; else no row changes.
pub(super) fn advance(batch: &Batch) -> Statement {
    let mut statement = Statement::new("UPDATE projection_checkpoint SET sequence = ");
    statement.arg(batch.sequence).sql(", head = ").arg(Value::text(batch.head));
    statement.sql(", position = ").arg(batch.position.0).sql(", log_id = ").arg(Value::text(batch.log_id));
    statement.sql(" WHERE id = 1 AND superseded_by IS NULL AND sequence = ").arg(batch.previous);
    statement
}

/// Keeps others from moving it until the end of the transaction.
pub(super) fn hold() -> Statement {
    Statement::new("UPDATE projection_checkpoint SET id = 1 WHERE id = 1")
}

/// The row of new, empty tables.
pub(super) fn first(generation: u64, version: u32) -> Statement {
    let mut statement = Statement::new(
        "INSERT INTO projection_checkpoint (id, sequence, head, position, generation, projection_version) VALUES ",
    );
    let empty = [Value::from(1_u64), 0_u64.into(), Value::text(Hash::NONE), 0_u64.into()];
    statement.tuple(empty.into_iter().chain([generation.into(), u64::from(version).into()]));
    statement
}

/// Which projection version wrote the tables: the one column that every version has.
pub(super) fn version() -> Statement {
    Statement::new("SELECT projection_version FROM projection_checkpoint")
}

/// The last sequence that the tables hold, and whether another generation took over.
pub(super) fn sequence() -> Statement {
    Statement::new("SELECT sequence, superseded_by FROM projection_checkpoint")
}

/// Reads a row of [`sequence`].
pub(super) fn decode_sequence(cells: &mut Cells) -> Result<(u64, bool), String> {
    Ok((cells.number()?, cells.int_or_null()?.is_some()))
}

/// Reads a row of [`version`].
pub(super) fn decode_version(cells: &mut Cells) -> Result<i64, String> {
    cells.number()
}

/// Closes a generation for good.
pub(super) fn supersede(by: u64) -> Statement {
    let mut statement = Statement::new("UPDATE projection_checkpoint SET superseded_by = ");
    statement.arg(by).sql(" WHERE id = 1");
    statement
}

/// The checkpoint, and which generation took over, if one did.
pub(super) fn select() -> Statement {
    Statement::new("SELECT sequence, head, position, log_id, generation, superseded_by FROM projection_checkpoint")
}

/// Reads the checkpoint of a generation.
pub(super) fn read(generation: &Generation) -> Result<(Checkpoint, Option<u64>), StoreError> {
    let found = generation.readers.fetch(&select(), decode)?.pop();
    found.ok_or_else(|| generation.damaged("the checkpoint is missing"))
}

/// Reads a row of [`select`].
pub(super) fn decode(cells: &mut Cells) -> Result<(Checkpoint, Option<u64>), String> {
    let checkpoint = Checkpoint {
        sequence: cells.number()?,
        head: cells.parse()?,
        position: Position(cells.number()?),
        log_id: cells.parse_or_null()?,
        generation: cells.number()?,
    };
    Ok((checkpoint, cells.int_or_null()?.map(i64::unsigned_abs)))
}
