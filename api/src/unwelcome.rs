//! Ends the streams of publishers that may no longer publish, whether or not anybody reads them.

use crate::{access, app::App, error::ApiError, relay::binding::Binding, routes::stream::ended};
use std::sync::Arc;

/// Looks at all bound streams when a token or a grant is no more, and now and then, for tokens end by themselves. Never
/// returns.
pub async fn watch(app: Arc<App>) {
    let mut changes = app.relay.access();
    let every = app.config.args.ping_interval;
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(every) => {}
        }
        for binding in app.relay.all_bound() {
            if check(&app, &binding).is_err() {
                tracing::info!(session = %binding.session, "its publisher may no longer publish: the stream is ended");
                ended(&app, &binding);
            }
        }
    }
}

/// Whether the token that a stream was asked for with works, and all that its session holds may be published with it.
///
/// # Errors
/// 401 or 403.
pub fn check(app: &App, binding: &Binding) -> Result<(), ApiError> {
    let Some(caller) = binding.asked_by() else { return Ok(()) };
    caller.check_welcome(app)?;
    access::publishes(app, &caller, &binding.session)
}
