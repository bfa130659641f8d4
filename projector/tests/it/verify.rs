//! Whatever is altered by hand is found.

use crate::{dir::Dir, life::Life};
use mcpctl_events::replica::Replica;
use mcpctl_projector::{
    Kept, Progress, Tables,
    follow::{project, start},
    verify::verify,
};

#[tokio::test]
async fn every_alteration_is_named() {
    let cases = [
        (
            "UPDATE llm_rows SET model = 'evil' WHERE name = 'qwen'",
            "llm_rows `qwen`: model is `evil`, the log says `Org/qwen`",
        ),
        ("UPDATE llm_rows SET max_concurrent = NULL", "llm_rows `qwen`: max_concurrent is null, the log says 4"),
        ("DELETE FROM agent_rows WHERE name = 'coder'", "agent_rows `coder`: missing"),
        ("UPDATE sessions SET epoch = 7", "sessions `s1`: epoch is 7, the log says 0"),
        (
            "INSERT INTO tokens VALUES ('x', '', '', '', 'admin', '', NULL, '2027-01-15T08:00:00.000Z')",
            "tokens `x`: not in the log",
        ),
        (
            "INSERT INTO projects VALUES ('x', '', '', 1, '2027-01-15T08:00:00.000Z', '2027-01-15T08:00:00.000Z', NULL, '[]')",
            "projects `x`: not in the log",
        ),
        (
            "INSERT INTO personalities VALUES ('x', '', '', 1, '2027-01-15T08:00:00.000Z', '2027-01-15T08:00:00.000Z', 'a', NULL)",
            "personalities `x`: not in the log",
        ),
        (
            "INSERT INTO prompts VALUES ('x', '', '', 1, '2027-01-15T08:00:00.000Z', '2027-01-15T08:00:00.000Z', 'c', 0, 'a', NULL, NULL)",
            "prompts `x`: not in the log",
        ),
        ("UPDATE events SET subject = 'llm/other' WHERE sequence = 2", "events `2`: subject is `llm/other`"),
        ("DELETE FROM events WHERE sequence = 1", "events `1`: missing"),
        ("INSERT INTO events VALUES (99, 1, 't', 's', '2027-01-15T08:00:00.000Z')", "events `99`: not in the log"),
    ];
    for (sql, expected) in cases {
        let (mut life, dir) = (Life::new(), Dir::new());
        life.register("s1", &["qwen"], &[("coder", "qwen")]).unwrap();
        let tables = Tables::open(dir.database()).await.unwrap();
        let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
        project(&life.shared(), &tables, projection).await.unwrap();
        assert!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().is_clean());
        dir.run(1, sql);
        let report = verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap();
        assert_eq!(report.count, 1, "{sql}: {:?}", report.differences);
        assert!(report.differences[0].to_string().starts_with(expected), "{}", report.differences[0]);
    }
}

#[tokio::test]
async fn heartbeats_are_no_difference() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.register("s1", &["qwen"], &[]).unwrap();
    let tables = Tables::open(dir.database()).await.unwrap();
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    let later = life.now.plus(std::time::Duration::from_secs(5));
    tables.note_heartbeats(&[(crate::life::session("s1"), later)]).await.unwrap();
    assert!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().is_clean());
}

/// The folds after each entry of the log.
fn folds(life: &Life) -> Vec<Replica> {
    let mut replica = Replica::default().on(&*life.shared());
    let apply = |entry: &mcpctl_events::replica::Decoded| {
        let _ = replica.apply(entry).unwrap();
        replica.clone()
    };
    life.entries(0).iter().map(apply).collect()
}

fn kept(replica: Replica) -> Kept {
    let sequence = replica.admission.last_sequence;
    Kept { place: "kept at", sequence, load: Box::new(move || Some(replica)) }
}

#[tokio::test]
async fn a_fold_that_is_kept_is_compared_where_it_was_made() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.register("s1", &["qwen"], &[("coder", "qwen")]).unwrap();
    // Has no sequence, and is in what is folded behind it.
    life.litter();
    life.litter();
    life.register("s2", &["gpu"], &[]).unwrap();
    let tables = Tables::open(dir.database()).await.unwrap();
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    let found = async |all: Vec<Kept>| {
        let report = verify(&life.shared(), &tables, all, &Progress::default()).await.unwrap();
        report.differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let folds = folds(&life);
    let empty = Replica::default().on(&*life.shared());
    assert_eq!(found(folds.iter().cloned().chain([empty]).map(kept).collect()).await, [""; 0]);
    assert_eq!(found(folds.iter().rev().cloned().map(kept).collect()).await, [""; 0], "in any order");
    let forge = |mut replica: Replica| {
        replica.state.now = life.now.plus(std::time::Duration::from_secs(1));
        replica
    };
    for (at, fold) in folds.iter().enumerate() {
        let mut all = folds.clone();
        all[at] = forge(fold.clone());
        let sequence = fold.admission.last_sequence;
        let expected = format!("kept at `{sequence}`: is not what the log says");
        assert_eq!(found(all.into_iter().map(kept).collect()).await, [expected], "the one after entry {at}");
    }
    let beyond = Kept { place: "kept at", sequence: 99, load: Box::new(|| None) };
    assert_eq!(found(vec![beyond]).await, ["kept at `99`: is not what the log says"]);
    let gone = Kept { place: "kept at", sequence: 1, load: Box::new(|| None) };
    assert_eq!(found(vec![gone]).await, [""; 0], "nobody would use it");
}
