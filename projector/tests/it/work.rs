//! Threads and their messages.

use crate::{dir::Dir, life::json};
use mcpctl_events::time::LogTime;
use mcpctl_projector::store::{
    StoreError,
    work::{
        Asks, BeginTurn, Boot, Finished, Gone, Message, MessageStatus, NewTask, NewThread, Pending, Step, TaskStatus,
        Turn, TurnThread, WorkStore,
    },
};
use uuid::Uuid;

const ANN: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);
const AGENT: Uuid = Uuid::from_u128(3);

async fn open(dir: &Dir) -> (WorkStore, tokio::task::JoinHandle<()>) {
    open_as(dir, 1).await
}

fn boot(id: u128) -> Boot {
    Boot { id: Uuid::from_u128(id), node: format!("http://node-{id}") }
}

fn at(seconds: i64) -> LogTime {
    LogTime::from_millis(1_800_000_000_000 + seconds * 1000)
}

fn new_thread(id: u128) -> NewThread {
    NewThread { id: Uuid::from_u128(id), owner: ANN, agent: AGENT, title: format!("thread {id}") }
}

fn begin(thread: TurnThread, message: &str, seconds: i64) -> BeginTurn {
    BeginTurn { thread, message: message.to_owned(), at: at(seconds) }
}

fn existing(id: u128, owner: Uuid) -> TurnThread {
    TurnThread::Existing { id: Uuid::from_u128(id), owner }
}

/// The end of a turn.
fn finish(id: u128, turn: Turn, content: &str, failed: bool) -> Step {
    let finished = Finished {
        turn_index: turn.assistant_index,
        content: Some(content.to_owned()),
        tool_calls: (!failed).then(|| json(r#"[{"id":"1","x":1.0}]"#)),
        failed,
    };
    step(id, vec![finished], Vec::new())
}

fn step(id: u128, finished: Vec<Finished>, next: Vec<Pending>) -> Step {
    Step { thread: Uuid::from_u128(id), finished, next, at: at(9) }
}

fn shown(messages: &[Message]) -> Vec<(u64, &str, Option<&str>, MessageStatus)> {
    messages.iter().map(|m| (m.turn_index, m.role.as_str(), m.content.as_deref(), m.status)).collect()
}

#[tokio::test]
async fn a_turn_is_stored_at_once_and_finished_once() {
    use MessageStatus::{Complete, Error, Pending};
    let dir = Dir::new();
    let (store, _writer) = open(&dir).await;
    let first = store.begin_turn(begin(TurnThread::New(new_thread(10)), "hi", 1)).await.unwrap().unwrap();
    assert_eq!(first, Turn { user_index: 0, assistant_index: 1 });
    let messages = store.messages(Uuid::from_u128(10)).await.unwrap();
    assert_eq!(shown(&messages), [(0, "user", Some("hi"), Complete), (1, "assistant", None, Pending)]);
    assert_eq!(store.step(finish(10, first, "hello", false)).await.unwrap(), Some(Vec::new()));
    assert_eq!(store.step(finish(10, first, "again", true)).await.unwrap(), None, "finished once");

    let second = store.begin_turn(begin(existing(10, ANN), "more", 2)).await.unwrap().unwrap();
    assert!(store.step(finish(10, second, "half a", true)).await.unwrap().is_some());
    let third = store.begin_turn(begin(existing(10, ANN), "and?", 3)).await.unwrap().unwrap();
    assert_eq!(third.user_index, 4);
    let id = Uuid::from_u128(10);
    let heard = store.messages_for_model(id, third.user_index).await.unwrap();
    let complete = [(0, "user", Some("hi"), Complete), (1, "assistant", Some("hello"), Complete)];
    let rest = [(2, "user", Some("more"), Complete), (4, "user", Some("and?"), Complete)];
    assert_eq!(shown(&heard), [complete, rest].concat());
    let all = store.messages(id).await.unwrap();
    assert_eq!(shown(&all)[3], (3, "assistant", Some("half a"), Error));
    assert_eq!(all[1].tool_calls.as_ref().unwrap().get(), r#"[{"id":"1","x":1.0}]"#);
}

#[tokio::test]
async fn threads_are_private_and_sorted_by_their_last_turn() {
    let dir = Dir::new();
    let (store, _writer) = open(&dir).await;
    for id in [10, 11, 12] {
        store.create_thread(new_thread(id), at(i64::try_from(id).unwrap())).await.unwrap();
    }
    store.begin_turn(begin(existing(10, ANN), "hi", 100)).await.unwrap().unwrap();
    let threads = store.threads(AGENT, ANN).await.unwrap();
    let titles: Vec<_> = threads.iter().map(|thread| thread.title.as_str()).collect();
    assert_eq!(titles, ["thread 10", "thread 12", "thread 11"]);
    assert_eq!((threads[0].created_at, threads[0].last_turn_at), (at(10), at(100)));

    assert_eq!(store.threads(AGENT, BOB).await.unwrap(), []);
    assert_eq!(store.thread(Uuid::from_u128(10), BOB).await.unwrap(), None);
    assert_eq!(store.begin_turn(begin(existing(10, BOB), "mine?", 200)).await.unwrap(), None);
    assert!(!store.delete_thread(Uuid::from_u128(10), Some(BOB)).await.unwrap());
    assert_eq!(store.thread(Uuid::from_u128(10), ANN).await.unwrap().unwrap(), threads[0], "nothing changed");
    assert_eq!(store.begin_turn(begin(existing(99, ANN), "lost", 200)).await.unwrap(), None);

    assert!(store.delete_thread(Uuid::from_u128(10), Some(ANN)).await.unwrap());
    assert_eq!(store.messages(Uuid::from_u128(10)).await.unwrap(), [], "messages go with their thread");
}

async fn open_as(dir: &Dir, id: u128) -> (WorkStore, tokio::task::JoinHandle<()>) {
    let (store, writer) = WorkStore::open(dir.database(), boot(id)).await.unwrap();
    (store, tokio::spawn(writer.run()))
}

fn new_task(id: u128) -> NewTask {
    NewTask {
        id: Uuid::from_u128(id),
        owner: ANN,
        asks: Asks::Llm("qwen".to_owned()),
        path: "/v1/chat/completions".to_owned(),
        request: "{}".to_owned(),
        key: None,
        at: at(1),
    }
}

#[tokio::test]
async fn what_a_server_left_behind_is_ended_by_another_one_and_by_its_next_start() {
    let dir = Dir::new();
    {
        let (store, writer) = open_as(&dir, 1).await;
        store.beat(at(1)).await.unwrap();
        let turn = store.begin_turn(begin(TurnThread::New(new_thread(10)), "hi", 1)).await.unwrap().unwrap();
        store.step(finish(10, turn, "hello", false)).await.unwrap();
        store.begin_turn(begin(existing(10, ANN), "more", 2)).await.unwrap();
        assert!(store.create_task(&new_task(20), (10, 1000)).await.unwrap());
        assert!(store.claim_task(Uuid::from_u128(20), at(2)).await.unwrap().is_some());
        assert_eq!(store.end_lost(Gone::Others).await.unwrap(), 0, "what is its own is not lost");
        assert_eq!(store.task_is_at(Uuid::from_u128(20)).await.unwrap(), None, "it is here");
        writer.abort();
    }
    let (store, writer) = open_as(&dir, 2).await;
    store.beat(at(60)).await.unwrap();
    let [other, this] = [1, 2].map(Uuid::from_u128);
    let mut boots = store.boots().await.unwrap();
    boots.sort_unstable();
    assert_eq!(boots, [(other, at(1)), (this, at(60))]);
    assert_eq!(store.end_lost(Gone::These(&[])).await.unwrap(), 0, "it may be there");
    assert_eq!(store.task_is_at(Uuid::from_u128(20)).await.unwrap().as_deref(), Some("http://node-1"));
    assert!(store.tasks_under_way().await.unwrap().is_empty(), "it is another one's");
    assert_eq!(store.put_task_back(Uuid::from_u128(20)).await.unwrap(), 0, "nor is it put back here");
    assert_eq!(store.end_lost(Gone::These(&[other])).await.unwrap(), 2);
    assert_eq!(store.boots().await.unwrap(), [(this, at(60))]);
    assert_eq!(store.end_lost(Gone::Others).await.unwrap(), 0);
    let messages = store.messages(Uuid::from_u128(10)).await.unwrap();
    assert_eq!(messages[3].status, MessageStatus::Error);
    let task = store.claim_task(Uuid::from_u128(20), at(70)).await.unwrap().unwrap();
    assert_eq!((task.status, task.attempts), (TaskStatus::Claimed, 2));
    assert_eq!(store.tasks_under_way().await.unwrap(), [Uuid::from_u128(20)]);
    writer.abort();
    let _ = writer.await;
    let error = store.end_lost(Gone::Others).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_at_the_same_time_each_get_their_place_and_nobody_fails_for_another() {
    let dir = Dir::new();
    let (store, _writer) = open(&dir).await;
    store.create_thread(new_thread(10), at(0)).await.unwrap();
    let turns: Vec<_> = (0..100)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                // Every tenth is refused by the database, in the middle of somebody's group.
                let thread = if n % 10 == 0 { TurnThread::New(new_thread(10)) } else { existing(10, ANN) };
                store.begin_turn(begin(thread, &format!("m{n}"), n)).await
            })
        })
        .collect();
    let (mut places, mut refused) = (Vec::new(), 0);
    for turn in turns {
        match turn.await.unwrap() {
            Ok(turn) => places.push(turn.unwrap().user_index),
            Err(error) => {
                assert!(matches!(error, StoreError::Sql { .. }), "{error}");
                refused += 1;
            }
        }
    }
    places.sort_unstable();
    assert_eq!(refused, 10);
    assert_eq!(places, (0..90).map(|n| n * 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn tools_answer_between_two_messages_of_the_model() {
    use MessageStatus::{Complete, Error, Pending as Waiting};
    let dir = Dir::new();
    let (store, _writer) = open(&dir).await;
    let turn = store.begin_turn(begin(TurnThread::New(new_thread(10)), "19+23?", 1)).await.unwrap().unwrap();
    // Another turn of the same thread stands in between.
    store.begin_turn(begin(existing(10, ANN), "and?", 2)).await.unwrap().unwrap();
    let asked = Finished {
        turn_index: turn.assistant_index,
        tool_calls: Some(json(r#"[{"id":"a"},{"id":"b"}]"#)),
        ..Finished::default()
    };
    let tools = ["a", "b"].map(|id| Pending::Tool(id.to_owned())).to_vec();
    assert_eq!(store.step(step(10, vec![asked.clone()], tools.clone())).await.unwrap(), Some(vec![4, 5]));
    assert_eq!(store.step(step(10, vec![asked], tools)).await.unwrap(), None, "nothing follows what was over");
    let answer =
        |turn_index, text: &str| Finished { turn_index, content: Some(text.to_owned()), ..Finished::default() };
    let answers = vec![answer(4, "42"), answer(5, "43")];
    assert_eq!(store.step(step(10, answers, vec![Pending::Assistant])).await.unwrap(), Some(vec![6]));
    let last = Finished { turn_index: 6, failed: true, ..Finished::default() };
    assert_eq!(store.step(step(10, vec![last], Vec::new())).await.unwrap(), Some(Vec::new()));
    let all = store.messages(Uuid::from_u128(10)).await.unwrap();
    let expected = [
        (0, "user", Some("19+23?"), Complete),
        (1, "assistant", None, Complete),
        (2, "user", Some("and?"), Complete),
        (3, "assistant", None, Waiting),
        (4, "tool", Some("42"), Complete),
        (5, "tool", Some("43"), Complete),
        (6, "assistant", None, Error),
    ];
    assert_eq!(shown(&all), expected);
    assert_eq!(all[5].tool_call_id.as_deref(), Some("b"));
    store.delete_thread(Uuid::from_u128(10), Some(ANN)).await.unwrap();
    assert_eq!(store.step(step(10, Vec::new(), vec![Pending::Assistant])).await.unwrap(), None, "the thread is gone");
}
