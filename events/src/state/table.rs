//! All rows of one kind, by name and by id, and the names that were.

use super::{Ordered, Row, owners::Owners};
use crate::{name::Name, time::LogTime};
use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// What is remembered of a row that the sweep deleted, so that its publisher may have it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tombstone {
    /// The id that the row had.
    pub id: Uuid,
    /// The only user who gets it back.
    pub owner: Uuid,
    /// The version that the row had.
    pub version: u64,
    /// Whether it was paused by hand: no register undoes that.
    pub disabled: bool,
    /// When the row was first made.
    pub created_at: LogTime,
    /// When it was deleted.
    pub deleted_at: LogTime,
}

/// Rows of one kind. Rows are shared: a reader keeps the one that it took while the table goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<D> {
    rows: Ordered<Name, Arc<Row<D>>>,
    names: HashMap<Uuid, Name>,
    owners: Owners,
    tombstones: BTreeMap<Name, Tombstone>,
}

impl<D> Default for Table<D> {
    fn default() -> Self {
        Self { rows: Ordered::default(), names: HashMap::new(), owners: Owners::default(), tombstones: BTreeMap::new() }
    }
}

impl<D> Table<D> {
    /// The row of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Row<D>>> {
        self.rows.get(name)
    }

    /// The row of this id.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<Row<D>>> {
        self.rows.get(self.names.get(&id)?)
    }

    /// All rows, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Row<D>>> {
        self.rows.iter().map(|(_, row)| row)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows a user owns.
    pub(super) fn owned_by(&self, user: Uuid) -> usize {
        self.owners.count(user)
    }

    /// What is left of a row that the sweep deleted.
    pub fn tombstone(&self, name: &str) -> Option<&Tombstone> {
        self.tombstones.get(name)
    }

    /// All tombstones, by name.
    pub fn tombstones(&self) -> impl Iterator<Item = (&Name, &Tombstone)> {
        self.tombstones.iter()
    }

    pub(crate) fn insert(&mut self, row: Row<D>) {
        self.tombstones.remove(&row.name);
        self.share(Arc::new(row));
    }

    /// Holds a row that another table holds, too.
    pub(super) fn share(&mut self, row: Arc<Row<D>>) {
        let (id, name) = (row.id, row.name.clone());
        self.owners.add(row.owner);
        if let Some(before) = self.rows.insert(name.clone(), row) {
            self.names.remove(&before.id);
            self.owners.remove(before.owner);
        }
        self.names.insert(id, name);
    }

    pub(crate) fn remove(&mut self, name: &Name) -> Option<Arc<Row<D>>> {
        let row = self.rows.remove(name.as_str())?;
        self.names.remove(&row.id);
        self.owners.remove(row.owner);
        Some(row)
    }

    /// Adds a tombstone and, each time their number has doubled, forgets those from before `cutoff`.
    pub(crate) fn bury(&mut self, name: Name, tombstone: Tombstone, cutoff: LogTime) {
        self.tombstones.insert(name, tombstone);
        if self.tombstones.len().is_power_of_two() {
            self.tombstones.retain(|_, tombstone| tombstone.deleted_at >= cutoff);
        }
    }
}

impl<D: Clone> Table<D> {
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Row<D>> {
        self.rows.get_mut(name).map(Arc::make_mut)
    }
}

#[derive(Serialize, Deserialize)]
struct Stored<R, T> {
    rows: R,
    tombstones: T,
}

impl<D: Serialize> Serialize for Table<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored { rows: self.iter().collect::<Vec<_>>(), tombstones: &self.tombstones }.serialize(serializer)
    }
}

impl<'de, D: Deserialize<'de>> Deserialize<'de> for Table<D> {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        let stored = Stored::<Vec<Row<D>>, BTreeMap<Name, Tombstone>>::deserialize(deserializer)?;
        let mut table = Self::default();
        stored.rows.into_iter().for_each(|row| table.insert(row));
        table.tombstones = stored.tombstones;
        Ok(table)
    }
}
