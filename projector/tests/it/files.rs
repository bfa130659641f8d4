//! What may be wrong with the files of a folder.

use crate::{
    dir::Dir,
    life::{Life, many, projected},
};
use mcpctl_projector::{Progress, Tables, rebuild::rebuild, verify::verify};

#[tokio::test]
async fn a_rebuild_killed_within_its_switch_has_switched() {
    let (mut life, dir) = (Life::new(), Dir::new());
    many(&mut life, 3);
    drop(projected(&life, &dir).await);
    let old = dir.path().join("tables-1.db");
    let kept = std::fs::read(&old).unwrap();
    rebuild(&life.shared(), dir.database(), &Progress::default()).await.unwrap();
    // As it is between the commit in the old tables and the new name of the live ones.
    std::fs::write(&old, kept).unwrap();
    dir.run(1, "UPDATE projection_checkpoint SET superseded_by = 2");
    std::fs::write(dir.path().join("tables.generation"), "1\n").unwrap();
    for open in [Tables::open(dir.database()).await, Tables::open_existing(dir.database()).await] {
        assert_eq!(open.unwrap().checkpoint().await.unwrap().generation, 2);
    }
    assert_eq!(rebuild(&life.shared(), dir.database(), &Progress::default()).await.unwrap().generation, 3);
    assert_eq!(dir.generations(), [3]);
}

#[tokio::test]
async fn what_is_damaged_is_made_anew() {
    let damages: [fn(&std::path::Path); 3] = [
        |dir| std::fs::write(dir.join("tables-1.db"), "no database").unwrap(),
        |dir| {
            std::fs::write(dir.join("tables-1.db"), &std::fs::read(dir.join("tables-1.db")).unwrap()[..5000]).unwrap();
        },
        |dir| std::fs::write(dir.join("tables.generation"), "one").unwrap(),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let (mut life, dir) = (Life::new(), Dir::new());
        many(&mut life, 30);
        drop(projected(&life, &dir).await);
        damage(dir.path());
        rebuild(&life.shared(), dir.database(), &Progress::default())
            .await
            .unwrap_or_else(|error| panic!("damage {number}: {error}"));
        let tables = Tables::open(dir.database()).await.unwrap();
        assert_eq!(
            verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().differences,
            [],
            "damage {number}"
        );
    }
}
