//! `mcplocal check`: whether everything is there that publishing takes, and whether streams pass on the way.

use crate::{
    availability::{Finding, State, probe},
    config::Provider,
    declaration::declare,
    http::{Client, Paced, Payload, read_all, within},
    register::{faults, way_out},
    server::{Batching, Server, ask},
    settings::{Endpoint, Settings},
    shown,
};
use http_body_util::BodyExt;
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};
use mcpctl_events::wire::{self, access::WhoAmI, error::ErrorBody, publish::Arrivals};
use std::{
    fmt::Display,
    fs,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};
use tokio_util::task::TaskTracker;

/// How long a question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const LARGEST_ANSWER: usize = 1 << 20;
/// Pieces that are sent to see whether they pass, and the pause before each.
const PIECES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(150);
/// Roles that may not publish.
const TOO_LITTLE: [&str; 2] = ["viewer", "chatter"];

/// What became of one check.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Good(String),
    /// It works, less well than it could.
    Odd(String),
    Bad(String),
    /// What can be done about the one before it.
    Hint(String),
}

/// Checks one after the other and prints a line for each; whether publishing would work.
///
/// # Errors
/// Nobody reads what is printed.
pub async fn run(file: &Path, settings: &Settings) -> io::Result<bool> {
    let mut report = Report { out: io::stdout().lock(), is_good: true };
    let (llms, agents) = (settings.config.published().count(), settings.config.agents.len());
    let said = format!("{}: publishes {} and {}", file.display(), count(llms, "Llm"), count(agents, "agent"));
    report.line("config", if llms + agents == 0 { Outcome::Odd(said) } else { Outcome::Good(said) })?;
    for warning in &settings.config.warnings {
        report.line("config", Outcome::Odd(warning.clone()))?;
    }
    let tracker = TaskTracker::new();
    let client = Client::new(ANSWER_WITHIN, &tracker);
    let endpoint = match settings.server.read() {
        Err(why) => report.line("server", Outcome::Bad(why)).map(|()| None)?,
        Ok(endpoint) => server(&client, &endpoint, &mut report).await?.then_some(endpoint),
    };
    if let Some(endpoint) = endpoint.filter(|_| llms + agents > 0) {
        registry(&client, endpoint, settings, &mut report).await?;
    }
    for provider in settings.config.published() {
        let begun = Instant::now();
        let finding = probe(&client, provider).await;
        report.line(&provider.name, judged(provider, finding, begun.elapsed()))?;
    }
    Ok(report.is_good)
}

fn count(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

struct Report<W> {
    out: W,
    is_good: bool,
}

impl<W: Write> Report<W> {
    fn line(&mut self, what: impl Display, outcome: Outcome) -> io::Result<()> {
        let (word, said) = match outcome {
            Outcome::Good(said) => ("ok", said),
            Outcome::Odd(said) => ("warning", said),
            Outcome::Hint(said) => ("", said),
            Outcome::Bad(said) => {
                self.is_good = false;
                ("FAILED", said)
            }
        };
        writeln!(self.out, "{:<12}  {word:<7}  {}", shown::line(&what.to_string()), shown::line(&said))
    }
}

/// Whether the server would take all that is declared, if all of it is there.
async fn registry<W: Write>(
    client: &Client,
    endpoint: Endpoint,
    settings: &Settings,
    report: &mut Report<W>,
) -> io::Result<()> {
    let all_up = settings.config.published().map(|provider| (provider.name.clone(), State::Up)).collect();
    let session = fs::read_to_string(&settings.session_file).ok().map(|id| id.trim().to_owned());
    let mut declared = declare(&settings.config, &all_up, session.as_deref().unwrap_or_default());
    declared.provider_session_id = session.clone();
    let server = Server::new(endpoint, session.unwrap_or_default(), client.clone(), Batching::default());
    let server = match server {
        Ok(server) => server,
        Err(why) => return report.line("registry", Outcome::Bad(why)),
    };
    let mut tried = server.would_register(&declared).await;
    if let Err(error) = &tried
        && error.is_session_of_another_user()
    {
        report.line("registry", Outcome::Odd(format!("{error}; mcplocal makes a new session then")))?;
        declared.provider_session_id = None;
        tried = server.would_register(&declared).await;
    }
    match tried {
        Ok(_) => report.line("registry", Outcome::Good("would take all of it".to_owned())),
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) && error.code() == "NOT_FOUND" => {
            let why = "whether it would take all of it is not known: the server is of a version that does not tell";
            report.line("registry", Outcome::Odd(why.to_owned()))
        }
        Err(error) => {
            for fault in faults(&error, &declared) {
                report.line("registry", Outcome::Bad(fault))?;
            }
            way_out(&error).map_or(Ok(()), |next| report.line("", Outcome::Hint(next.to_owned())))
        }
    }
}

/// Whether there is a server that lets this token publish.
async fn server<W: Write>(client: &Client, endpoint: &Endpoint, report: &mut Report<W>) -> io::Result<bool> {
    let begun = Instant::now();
    let answer = match who_am_i(client, endpoint).await {
        Ok(answer) => answer,
        Err(why) => {
            return report.line("server", Outcome::Bad(format!("{}: {why}", endpoint.url))).map(|()| false);
        }
    };
    report
        .line("server", Outcome::Good(format!("{} answers after {} ms", endpoint.url, begun.elapsed().as_millis())))?;
    match answer {
        Ok(me) if TOO_LITTLE.contains(&&*me.role) && me.grants.iter().all(|grant| !grant.starts_with("publish ")) => {
            let next = "`mcpctl token create --role publisher` makes one that may";
            let said = format!("user {} has role {}, which may not publish; {next}", me.user, me.role);
            report.line("token", Outcome::Bad(said)).map(|()| false)
        }
        Ok(me) => {
            report.line("token", Outcome::Good(format!("user {}, role {}", me.user, me.role)))?;
            let (up, down) = passage(client, endpoint).await;
            report.line("uploads", up)?;
            report.line("streams", down).map(|()| true)
        }
        Err(why) => report.line("token", Outcome::Bad(why)).map(|()| false),
    }
}

/// Whose token it is; the inner error is the server's own no.
async fn who_am_i(client: &Client, endpoint: &Endpoint) -> Result<Result<WhoAmI, String>, String> {
    let request = ask(endpoint, Method::GET, "/api/v1/auth/whoami", Payload::empty())?;
    let answer = within(ANSWER_WITHIN, client.send(request)).await.ok_or("no answer in time")?;
    let answer = answer.map_err(|failure| failure.reason)?;
    let status = answer.status();
    let body = within(ANSWER_WITHIN, read_all(answer.into_body(), LARGEST_ANSWER)).await.ok_or("no answer in time")?;
    let body = body.map_err(|error| error.to_string())?;
    if status.is_success() {
        return serde_json::from_slice(&body).map(Ok).map_err(|_| "what answers is no mcpd".to_owned());
    }
    match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(body) => Ok(Err(body.error)),
        Err(_) => Err(format!(
            "it answers {status}, and not as mcpd does: is it the address of a proxy, or of something else?"
        )),
    }
}

const PASSAGE: &str = "/api/v1/llms/_provider-passage";

/// Sends small pieces with pauses between them, and has the server say when each arrived; and the other way round.
async fn passage(client: &Client, endpoint: &Endpoint) -> (Outcome, Outcome) {
    let not_measured =
        |why: String| Outcome::Odd(format!("whether they pass as they are sent was not measured: {why}"));
    let late = || Err("no answer in time".to_owned());
    let sent = within(ANSWER_WITHIN, arrivals_there(client, endpoint)).await.unwrap_or_else(late);
    let told = within(ANSWER_WITHIN, arrivals_here(client, endpoint)).await.unwrap_or_else(late);
    (sent.map_or_else(not_measured, |sent| up(&sent)), told.map_or_else(not_measured, |told| down(&told)))
}

async fn arrivals_there(client: &Client, endpoint: &Endpoint) -> Result<Vec<Duration>, String> {
    let mut request = ask(endpoint, Method::POST, PASSAGE, Payload::Paced(Paced::new(PIECES, PAUSE)))?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(wire::NDJSON));
    let body = read_all(answered(client, request).await?, LARGEST_ANSWER).await.map_err(|error| error.to_string())?;
    let arrivals: Arrivals = serde_json::from_slice(&body).map_err(|_| "its answer makes no sense".to_owned())?;
    Ok(arrivals.at_ms.into_iter().map(Duration::from_millis).collect())
}

async fn arrivals_here(client: &Client, endpoint: &Endpoint) -> Result<Vec<Duration>, String> {
    let mut body = answered(client, ask(endpoint, Method::GET, PASSAGE, Payload::empty())?).await?;
    let (begun, mut arrivals) = (Instant::now(), Vec::new());
    while let Some(frame) = body.frame().await {
        if frame.map_err(|error| error.to_string())?.is_data() {
            arrivals.push(begun.elapsed());
        }
    }
    Ok(arrivals)
}

async fn answered(client: &Client, request: Request<Payload>) -> Result<Incoming, String> {
    let answer = client.send(request).await.map_err(|failure| failure.reason)?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        StatusCode::NOT_FOUND => Err("the server is of a version that does not help with it".to_owned()),
        status => Err(format!("the server answers {status}")),
    }
}

fn up(sent: &[Duration]) -> Outcome {
    if passes(sent) {
        return Outcome::Good("pieces arrive at the server as they are sent".to_owned());
    }
    Outcome::Odd(
        "are held back on the way (a proxy that buffers requests?): results go in small batches, which costs time; in \
         nginx, `proxy_request_buffering off` ends that"
            .to_owned(),
    )
}

fn down(told: &[Duration]) -> Outcome {
    if passes(told) {
        return Outcome::Good("pieces arrive here as the server sends them".to_owned());
    }
    Outcome::Odd(
        "are held back on the way (a proxy that buffers answers?): tasks arrive late; `--transport long-poll` needs no \
         stream"
            .to_owned(),
    )
}

/// Whether pieces came one after the other and not all at once: over more than half of the time in which they were sent.
fn passes(times: &[Duration]) -> bool {
    let spread = times.last().zip(times.first()).map(|(last, first)| last.saturating_sub(*first));
    times.len() > 1 && spread.is_some_and(|spread| spread > PAUSE * (PIECES - 1) / 2)
}

fn judged(provider: &Provider, finding: Finding, took: Duration) -> Outcome {
    let asleep = if provider.wake.is_some() { ", and is woken when it is called" } else { "" };
    match finding {
        Finding::Up if provider.base.is_empty() => Outcome::Good("built in".to_owned()),
        Finding::Up => {
            Outcome::Good(format!("{} answers after {} ms, model {}", provider.base, took.as_millis(), provider.model))
        }
        Finding::Unlisted(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
            Outcome::Bad(format!("{} answers {status}: it wants a key, or another one, in `apiKey`", provider.base))
        }
        Finding::Unlisted(status) => Outcome::Odd(format!(
            "{} answers {status} to GET /v1/models, and no list: whether it has {} shows when it is called",
            provider.base, provider.model
        )),
        Finding::Slow => Outcome::Odd(format!("{} takes the connection and does not answer in time", provider.base)),
        Finding::Down(why) if provider.wake.is_some() => Outcome::Good(format!("{}: {why}{asleep}", provider.base)),
        Finding::Down(why) => Outcome::Bad(format!("{}: {why}", provider.base)),
        Finding::Missing(listed) => {
            let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
            Outcome::Bad(format!("{} has no model {}; it has {listed}", provider.base, provider.model))
        }
        Finding::Locked(why) => Outcome::Bad(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: &[u64]) -> Vec<Duration> {
        milliseconds.iter().map(|at| Duration::from_millis(*at)).collect()
    }

    #[test]
    fn what_comes_all_at_once_was_held_back() {
        assert!(passes(&at(&[150, 300, 450, 600, 750, 900])));
        assert!(passes(&at(&[160, 500, 500, 600, 760])), "some may come together");
        assert!(!passes(&at(&[900, 900, 900, 901, 901, 902])));
        assert!(!passes(&at(&[900])) && !passes(&[]));
    }

    #[test]
    fn a_report_has_a_line_for_each_and_says_whether_all_is_well() {
        let mut report = Report { out: Vec::new(), is_good: true };
        report.line("server", Outcome::Good("there".to_owned())).unwrap();
        report.line("uploads", Outcome::Odd("slow".to_owned())).unwrap();
        assert!(report.is_good);
        report.line("qwen", Outcome::Bad("gone".to_owned())).unwrap();
        assert!(!report.is_good);
        let text = String::from_utf8(report.out).unwrap();
        assert_eq!(text, "server        ok       there\nuploads       warning  slow\nqwen          FAILED   gone\n");
    }
}
