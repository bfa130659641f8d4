//! Lists: filters, pages, single rows, the overlay, the event index, and the views for people with SQL.

use crate::{
    dir::Dir,
    life::{Life, labels, name, public_agent, public_llm, session},
};
use mcpctl_events::{
    definition::AgentDefinition,
    event::{
        Resource,
        row::{Cause, Kind, RowEvent, Status, Updated},
    },
    log::Position,
    replica::Replica,
};
use mcpctl_projector::{
    Tables,
    follow::{project, start},
    store::{AgentFilter, EventFilter, LlmFilter, RowFilter},
};
use std::{sync::Arc, time::Duration};

async fn projected(life: &Life, dir: &Dir) -> Tables {
    let tables = Tables::open(dir.database()).await.unwrap();
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    tables
}

fn registry() -> Life {
    let mut life = Life::new();
    life.register("s1", &["qwen", "a-b", "a.b", "a_b"], &[("coder", "qwen"), ("poet", "a-b")]).unwrap();
    let mut definition = public_llm("gpt");
    definition.labels = labels(&[("team", "a"), ("x,\"team", "b"), ("q\"", "\"team\":\"c\"")]);
    definition.pool_name = Some(name("big"));
    definition.description = Some("100% sure_thing, ÄPFEL".to_owned());
    life.create_llm("gpt", definition).unwrap();
    life.create_agent("pooled", public_agent("big")).unwrap();
    life
}

async fn llms(tables: &Tables, filter: LlmFilter) -> Vec<String> {
    let page = tables.llms(&filter).await.unwrap();
    page.items.into_iter().map(|stored| stored.row.name.to_string()).collect()
}

async fn llms_with(tables: &Tables, rows: RowFilter) -> Vec<String> {
    llms(tables, LlmFilter { rows, pool: None }).await
}

async fn agents(tables: &Tables, filter: AgentFilter) -> Vec<String> {
    let page = tables.agents(&filter).await.unwrap();
    page.items.into_iter().map(|stored| stored.row.name.to_string()).collect()
}

#[tokio::test]
async fn llms_are_filtered() {
    let (life, dir) = (registry(), Dir::new());
    let tables = &projected(&life, &dir).await;
    let all = RowFilter::default;
    assert_eq!(llms_with(tables, all()).await, ["a-b", "a.b", "a_b", "gpt", "qwen"], "names sort bytewise");
    assert_eq!(llms_with(tables, RowFilter { kind: Some(Kind::Public), ..all() }).await, ["gpt"]);
    assert_eq!(llms_with(tables, RowFilter { status: Some(Status::Inactive), ..all() }).await, [""; 0]);
    let q = |q: &str| RowFilter { q: Some(q.to_owned()), ..RowFilter::default() };
    assert_eq!(llms_with(tables, q("A_B")).await, ["a_b"], "no wildcards");
    assert_eq!(llms_with(tables, q("100% SURE")).await, ["gpt"]);
    assert_eq!(llms_with(tables, q("größtes \"q")).await, ["qwen"], "in the description");
    for any_case in ["ÄPFEL", "äpfel", "Äpfel"] {
        assert_eq!(llms_with(tables, q(any_case)).await, ["gpt"], "{any_case}");
    }
    let pool = |pool: &str| LlmFilter { pool: Some(pool.to_owned()), ..LlmFilter::default() };
    assert_eq!(llms(tables, pool("big")).await, ["gpt"]);
    assert_eq!(llms(tables, pool("qwen")).await, ["qwen"], "a row without a pool is its own");
    assert_eq!(llms(tables, pool("gpt")).await, [""; 0]);
}

#[tokio::test]
async fn labels_match_whole_pairs_only() {
    let (life, dir) = (registry(), Dir::new());
    let tables = &projected(&life, &dir).await;
    let with = |pairs: &[(&str, &str)]| RowFilter {
        labels: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..RowFilter::default()
    };
    assert_eq!(llms_with(tables, with(&[("team", "a")])).await.len(), 5);
    assert_eq!(llms_with(tables, with(&[("team", "a"), ("q\"", "\"team\":\"c\"")])).await, ["gpt"]);
    for pair in [("team", "b"), ("team", "c"), ("team", "A"), ("team", ""), ("tea", "a")] {
        assert_eq!(llms_with(tables, with(&[pair])).await, [""; 0], "{pair:?}");
    }
}

#[tokio::test]
async fn agents_are_filtered() {
    let (mut life, dir) = (registry(), Dir::new());
    // Nothing can be put into a project yet, but the rows have room for it.
    let mut definition = life.replica.state.agents.get("poet").unwrap().definition.clone();
    Arc::make_mut(&mut definition).project = Some(name("apollo"));
    let (cause, status) = (Cause::User, Status::Active);
    let updated = Updated { cause, from: status, to: status, kind: Kind::Virtual, version: 2, definition };
    life.write(AgentDefinition::event(&name("poet"), RowEvent::Updated(updated)));
    let tables = &projected(&life, &dir).await;
    let qwen = life.replica.state.llms.get("qwen").unwrap().id.to_string();
    for (llm, expected) in [("qwen", "coder"), (qwen.as_str(), "coder"), ("big", "pooled")] {
        let filter = AgentFilter { llm: Some(llm.to_owned()), ..AgentFilter::default() };
        assert_eq!(agents(tables, filter).await, [expected]);
    }
    let filter = AgentFilter { project: Some("apollo".to_owned()), ..AgentFilter::default() };
    assert_eq!(agents(tables, filter).await, ["poet"]);
}

#[tokio::test]
async fn pages_follow_each_other() {
    let (life, dir) = (registry(), Dir::new());
    let tables = projected(&life, &dir).await;
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let rows = RowFilter { limit: Some(2), after, ..RowFilter::default() };
        let page = tables.llms(&LlmFilter { rows, pool: None }).await.unwrap();
        assert_eq!(page.sequence, life.sequence());
        seen.push(page.items.len());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [2, 2, 1]);
    let rows = RowFilter { limit: Some(5), ..RowFilter::default() };
    let exact = tables.llms(&LlmFilter { rows, pool: None }).await.unwrap();
    assert_eq!((exact.items.len(), exact.next), (5, None), "a full last page has no next one");
    let rows = RowFilter { after: Some("zzz".to_owned()), ..RowFilter::default() };
    let empty = tables.llms(&LlmFilter { rows, pool: None }).await.unwrap();
    assert_eq!((empty.items.len(), empty.sequence), (0, life.sequence()), "an empty answer knows its sequence");
}

#[tokio::test]
async fn one_row_is_found_by_name_or_id() {
    let (mut life, dir) = (registry(), Dir::new());
    let id = life.replica.state.llms.get("qwen").unwrap().id;
    // A name that looks like another row's id is a name first.
    life.create_llm(&id.to_string(), public_llm("impostor")).unwrap();
    let tables = projected(&life, &dir).await;
    let model = |found: mcpctl_projector::store::At<Option<mcpctl_projector::store::StoredLlm>>| {
        assert_eq!(found.sequence, life.sequence());
        found.value.map(|stored| stored.row.definition.model.clone())
    };
    assert_eq!(model(tables.llm("qwen").await.unwrap()).as_deref(), Some("Org/qwen"));
    assert_eq!(model(tables.llm(&id.to_string()).await.unwrap()).as_deref(), Some("impostor"));
    assert_eq!(model(tables.llm("nobody").await.unwrap()), None);
    let poet = life.replica.state.agents.get("poet").unwrap().id.to_string().to_uppercase();
    assert_eq!(tables.agent(&poet).await.unwrap().value.unwrap().row.name.as_str(), "poet");
}

#[tokio::test]
async fn heartbeats_never_go_back_and_survive_a_write_of_the_session() {
    let (mut life, dir) = (registry(), Dir::new());
    let tables = projected(&life, &dir).await;
    let projection = start(&life.shared(), &tables, Replica::default()).await.unwrap();
    let (early, late) = (life.now.plus(Duration::from_secs(100)), life.now.plus(Duration::from_secs(200)));
    for at in [late, early] {
        tables.note_heartbeats(&[(session("s1"), at), (session("nobody"), at)]).await.unwrap();
    }
    tables.note_heartbeats(&[]).await.unwrap();
    life.register("s1", &["qwen"], &[]).unwrap();
    project(&life.shared(), &tables, projection).await.unwrap();
    let qwen = tables.llm("qwen").await.unwrap().value.unwrap();
    assert_eq!(qwen.session_heartbeat_at, Some(late));
    let view = format!("SELECT kind, status FROM llms WHERE name = 'qwen' AND last_heartbeat_at = '{late}'");
    assert_eq!(dir.show(1, &view), "virtual|active");
    let released = tables.llm("a-b").await.unwrap().value.unwrap();
    assert_eq!((released.row.status, released.session_heartbeat_at), (Status::Inactive, None));
    let view = "SELECT count(*), sum(CAST(connected AS INTEGER)) FROM agents";
    assert_eq!(dir.show(1, view), "3|1", "only the public agent is connected");
}

#[tokio::test]
async fn events_are_found_by_sequence_type_and_subject() {
    let (life, dir) = (registry(), Dir::new());
    let tables = projected(&life, &dir).await;
    let all = || EventFilter { limit: 1000, ..EventFilter::default() };
    let find = async |filter: EventFilter| {
        let found = tables.events(&filter).await.unwrap();
        assert_eq!(found.sequence, life.sequence());
        found.value.into_iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    let everything: Vec<u64> = (1..=life.sequence()).collect();
    assert_eq!(find(all()).await, everything);
    assert_eq!(find(EventFilter { after: 2, until: Some(4), ..all() }).await, [3, 4]);
    assert_eq!(find(EventFilter { after: 2, limit: 1, ..all() }).await, [3]);
    let last = life.sequence();
    assert_eq!(find(EventFilter { limit: 2, newest_first: true, ..all() }).await, [last, last - 1]);
    assert_eq!(find(EventFilter { after: last, ..all() }).await, [0; 0]);
    let typed = |glob: &str| EventFilter { type_glob: Some(glob.to_owned()), ..all() };
    assert_eq!(find(typed("llm.registered.v1")).await.len(), 4);
    assert_eq!(find(typed("mcpctl.agent.*")).await.len(), 3);
    assert_eq!(find(typed("*.created.v?")).await.len(), 2);
    assert_eq!(find(typed("llm_registered.v1")).await, [0; 0]);
    let about = EventFilter { subject: Some("agent/coder".to_owned()), ..all() };
    let found = tables.events(&about).await.unwrap().value;
    // The register is the second record, after the claim.
    assert_eq!(found.iter().map(|event| event.position).collect::<Vec<_>>(), [Position(2)]);
}
