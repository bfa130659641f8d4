//! The whole of it: register, keep connected, beat, and do it all again when the server forgot.

use crate::{
    availability::{self, Availability},
    backoff::Backoff,
    clock,
    config::Config,
    connection::{self, Ended},
    heartbeat,
    http::Client,
    idle,
    model::Models,
    notice::Notice,
    register,
    server::{Batching, Server},
    session,
    settings::{ServerSource, Settings, Timing, Transport},
    task::Tasks,
    wake::Started,
};
use anyhow::Context;
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Idle connections to the server are kept this long; proxies hang up after 60 s.
const SERVER_IDLE: Duration = Duration::from_secs(50);
/// Idle connections to model servers are kept this long; many of those hang up after 5 s.
const MODEL_IDLE: Duration = Duration::from_secs(4);
/// A registration that lasted shorter than this is not made again at once.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// The sticky session id, and where it is kept.
#[derive(Debug)]
struct Session {
    file: PathBuf,
    id: Mutex<String>,
}

/// One publisher.
#[derive(Debug)]
pub struct Publisher {
    /// Where the server is.
    pub source: ServerSource,
    /// What is published.
    pub config: Config,
    session: Session,
    /// How tasks come in.
    pub transport: Transport,
    /// Intervals and patience.
    pub timing: Timing,
    /// The model servers.
    pub models: Arc<Models>,
    /// What is being worked on.
    pub tasks: Tasks,
    client: Client,
    batching: Batching,
    woke: watch::Sender<u64>,
    is_lost: AtomicBool,
    again: Notify,
}

impl Publisher {
    /// A publisher that has not called anybody yet, but has its session id stored.
    ///
    /// # Errors
    /// When the session id can neither be read nor stored.
    pub fn new(settings: Settings, tracker: &TaskTracker) -> anyhow::Result<Self> {
        let Settings { server, session_file, config, transport, timing } = settings;
        let id = Mutex::new(session::load_or_create(&session_file)?);
        let session = Session { file: session_file, id };
        let providers: Vec<_> = config.published().cloned().map(Arc::new).collect();
        let availability = Availability::new(providers.iter().map(|provider| provider.name.as_str()));
        let client = Client::new(MODEL_IDLE, tracker);
        let started = Started::default();
        let models = Arc::new(Models { client, providers, availability, started, tracker: tracker.clone() });
        let tasks = Tasks::new(models.clone(), timing);
        let client = Client::new(SERVER_IDLE, tracker);
        let woke = watch::Sender::new(0);
        let (batching, again) = (Batching::default(), Notify::new());
        Ok(Self {
            source: server,
            config,
            session,
            transport,
            timing,
            models,
            tasks,
            client,
            batching,
            woke,
            is_lost: AtomicBool::new(false),
            again,
        })
    }

    /// Runs for ever.
    ///
    /// # Errors
    /// When a part of it failed that never should.
    pub async fn run(self: Arc<Self>) -> anyhow::Result<()> {
        let mut background = JoinSet::new();
        let publisher = self.clone();
        background.spawn(async move { availability::watch(&publisher.models, publisher.timing.probe).await });
        let publisher = self.clone();
        background.spawn(async move { idle::watch(&publisher.models, publisher.timing.notice).await });
        let publisher = self.clone();
        background.spawn(async move { clock::watch(|| publisher.wake_up()).await });
        tokio::select! {
            ended = background.join_next() => ended.context("no background task")?.context("a background task failed"),
            ended = self.publish() => ended,
        }
    }

    /// The server as it is known right now.
    ///
    /// # Errors
    /// A sentence on what is missing.
    pub fn server(&self) -> Result<Server, String> {
        Server::new(self.source.read()?, self.session(), self.client.clone(), self.batching.clone())
    }

    /// The sticky session id.
    pub fn session(&self) -> String {
        self.session.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on with a new session id: the old one is somebody else's by now, or the credentials are.
    pub fn leave_session(&self) {
        match session::create(&self.session.file) {
            Ok(id) => *self.session.id.lock().unwrap_or_else(PoisonError::into_inner) = id,
            Err(error) => warn!("the session stays: {error:#}"),
        }
    }

    /// Somebody else has the session, and may declare something else for it.
    pub fn lost_its_session(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// The session is this publisher's again: what it declares is declared once more, if somebody else had it. Not before:
    /// then the other one would go on with rows that are not its own.
    pub fn has_its_session(&self) {
        if self.is_lost.swap(false, Ordering::Relaxed) {
            self.again.notify_one();
        }
    }

    /// Waits until it is to be declared once more.
    pub async fn is_to_declare_again(&self) {
        self.again.notified().await;
    }

    /// Changes when the machine woke up from now on.
    pub fn woke(&self) -> watch::Receiver<u64> {
        self.woke.subscribe()
    }

    /// Starts anew after a sleep: the other sides have forgotten our connections.
    fn wake_up(&self) {
        // First, so that who starts again at once does so with new connections.
        self.client.renew();
        self.models.client.renew();
        self.woke.send_modify(|times| *times += 1);
    }

    /// What a call brings; none when the machine woke up meanwhile, and the call is to be made again.
    pub async fn unless_woken<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut woke = self.woke();
        tokio::select! {
            done = call => Some(done),
            _ = woke.changed() => None,
        }
    }

    /// Waits, but no longer than until the machine wakes up.
    pub async fn pause(&self, time: Duration) {
        // Either way the wait is over.
        let _ = self.unless_woken(sleep(time)).await;
    }

    async fn publish(self: &Arc<Self>) -> anyhow::Result<()> {
        let (mut notice, mut backoff) = (Notice::default(), Backoff::default());
        loop {
            let Some(registered) = self.unless_woken(register::first(self, &mut notice)).await else { continue };
            match registered {
                Ok((server, declared)) => {
                    notice = Notice::default();
                    let began = Instant::now();
                    self.say(self.stay(server, declared).await?);
                    if began.elapsed() >= GOOD_AFTER {
                        backoff.reset();
                        continue;
                    }
                }
                Err(why) => notice.trouble(format!("{why}; trying again")),
            }
            self.pause(backoff.jittered()).await;
        }
    }

    /// All that goes on while registered.
    async fn stay(
        self: &Arc<Self>,
        server: Arc<Server>,
        declared: mcpctl_events::wire::publish::Register,
    ) -> anyhow::Result<Ended> {
        let mut parts = JoinSet::new();
        parts.spawn(connection::keep(self.clone(), server.clone()));
        parts.spawn(heartbeat::keep(self.clone(), server.clone()));
        parts.spawn(register::follow(self.clone(), server, declared));
        let first = parts.join_next().await.context("no part")?;
        parts.shutdown().await;
        self.tasks.cancel_all();
        first.context("a part of the publisher failed")?
    }

    fn say(&self, ended: Ended) {
        match ended {
            Ended::Forgotten => info!("the server does not know session {}: registering again", self.session()),
            Ended::Moved => info!("the credentials changed: registering with them"),
            Ended::NothingLeft => warn!("nothing is left to publish: disconnected until a model server answers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Kind, Provider},
        connection::End,
        notice::Notice,
        poll,
        settings::Endpoint,
        stream,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A publisher of echo, the place where its server would be, and the folder that it lives in.
    async fn publisher() -> (Arc<Publisher>, TcpListener, tempfile::TempDir) {
        let home = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = ServerSource::Fixed(Endpoint { url, token: "t".to_owned() });
        let echo = Provider::new("e", Kind::Echo, "echo", None).expect("valid");
        let config = Config { providers: vec![echo], ..Config::default() };
        let settings = Settings::new(server, home.path().join("provider-session"), config);
        let publisher = Arc::new(Publisher::new(settings, &TaskTracker::new()).expect("a session"));
        (publisher, listener, home)
    }

    #[tokio::test]
    async fn a_register_without_an_answer_is_sent_again_when_the_machine_wakes_up() {
        let (publisher, listener, _home) = publisher().await;
        let mut running = JoinSet::new();
        running.spawn(publisher.clone().run());
        let first = timeout(PATIENCE, listener.accept()).await;
        publisher.wake_up();
        let second = timeout(PATIENCE, listener.accept()).await;
        assert!(first.is_ok() && second.is_ok(), "long before the call would have been given up");
    }

    /// Takes a request and answers with these bytes, and no end.
    async fn answer(listener: &TcpListener, with: &str) -> TcpStream {
        let (mut connection, _) = timeout(PATIENCE, listener.accept()).await.expect("a call").expect("a connection");
        let asked = connection.read(&mut [0; 4096]).await.expect("a request");
        assert!(asked > 0);
        connection.write_all(with.as_bytes()).await.expect("written");
        connection
    }

    #[tokio::test]
    async fn what_waits_for_tasks_starts_anew_when_the_machine_wakes_up() {
        let (publisher, listener, _home) = publisher().await;
        let server = Arc::new(publisher.server().expect("a server"));
        let (mut stream_notice, mut poll_notice) = (Notice::default(), Notice::default());
        let hello = r#"{"providerSessionId":"s","epoch":1,"pingSeconds":20}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        for begun in [String::new(), format!("{head}event: hello\ndata: {hello}\n\n")] {
            let wakes = async {
                let _stream = answer(&listener, &begun).await;
                let _poll = answer(&listener, "").await;
                publisher.wake_up();
                std::future::pending::<()>().await;
            };
            let streams = timeout(PATIENCE, stream::follow(&publisher, &server, &mut stream_notice));
            let polls = timeout(PATIENCE, poll::follow(&publisher, &server, &mut poll_notice));
            let ends = tokio::select! {
                ends = async { tokio::join!(streams, polls) } => ends,
                () = wakes => unreachable!("it waits for ever"),
            };
            assert!(matches!(ends, (Ok(End::Slept), Ok(End::Slept))), "{ends:?}");
        }
    }
}
