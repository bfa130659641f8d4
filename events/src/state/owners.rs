//! How many rows of one kind each user owns.

use hashbrown::HashMap;
use uuid::Uuid;

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Owners(HashMap<Uuid, usize>);

impl Owners {
    pub(super) fn add(&mut self, owner: Uuid) {
        *self.0.entry(owner).or_default() += 1;
    }

    pub(super) fn remove(&mut self, owner: Uuid) {
        if let Some(count) = self.0.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&owner);
            }
        }
    }

    pub(super) fn count(&self, owner: Uuid) -> usize {
        self.0.get(&owner).copied().unwrap_or_default()
    }
}
