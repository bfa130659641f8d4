//! Whatever is altered by hand is found.

use crate::life::{Dir, Life};
use mcpctl_events::replica::Replica;
use mcpctl_projector::{
    Progress, Tables,
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
        ("INSERT INTO tokens VALUES ('x', '', '', '', 'admin', '', NULL, '')", "tokens `x`: not in the log"),
        ("INSERT INTO projects VALUES ('x', '', '', 1, '', '', NULL, '[]')", "projects `x`: not in the log"),
        ("INSERT INTO personalities VALUES ('x', '', '', 1, '', '', 'a', NULL)", "personalities `x`: not in the log"),
        ("INSERT INTO prompts VALUES ('x', '', '', 1, '', '', 'c', 0, 'a', NULL, NULL)", "prompts `x`: not in the log"),
        ("UPDATE events SET subject = 'llm/other' WHERE sequence = 2", "events `2`: subject is `llm/other`"),
        ("DELETE FROM events WHERE sequence = 1", "events `1`: missing"),
        ("INSERT INTO events VALUES (99, 1, 't', 's', '')", "events `99`: not in the log"),
    ];
    for (sql, expected) in cases {
        let (mut life, dir) = (Life::new(), Dir::new());
        life.register("s1", &["qwen"], &[("coder", "qwen")]).unwrap();
        let tables = Tables::open(dir.path()).await.unwrap();
        let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
        project(&life.shared(), &tables, projection).await.unwrap();
        assert!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().is_clean());
        dir.sql("tables-1.db").execute(sql, []).unwrap();
        let report = verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap();
        assert_eq!(report.count, 1, "{sql}: {:?}", report.differences);
        assert!(report.differences[0].to_string().starts_with(expected), "{}", report.differences[0]);
    }
}

#[tokio::test]
async fn heartbeats_are_no_difference() {
    let (mut life, dir) = (Life::new(), Dir::new());
    life.register("s1", &["qwen"], &[]).unwrap();
    let tables = Tables::open(dir.path()).await.unwrap();
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    let later = life.now.plus(std::time::Duration::from_secs(5));
    tables.note_heartbeats(&[(crate::life::session("s1"), later)]).await.unwrap();
    assert!(verify(&life.shared(), &tables, Vec::new(), &Progress::default()).await.unwrap().is_clean());
}
