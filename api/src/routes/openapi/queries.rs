//! The queries of lists, for the API's document: each kind of row has filters of its own.
#![expect(dead_code, reason = "only described")]

use super::values::{Limit, Point, Sequence};
use mcpctl_events::event::row;
use utoipa::IntoParams;

macro_rules! query {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(IntoParams)]
        #[into_params(parameter_in = Query)]
        pub struct $name {
            $($(#[$field_doc])* $field: $type,)+
            /// So many at most; the header `Link` says how to go on.
            #[param(value_type = Option<Limit>)]
            limit: Option<u32>,
            /// Where an earlier page ended.
            cursor: Option<String>,
            /// Waits until the list shows at least this sequence, 5 s at most.
            #[param(rename = "minSequence", value_type = Option<Sequence>)]
            min_sequence: Option<u64>,
            /// As it was then: a sequence, or a time (inclusive).
            #[param(rename = "asOf", value_type = Option<Point>)]
            as_of: Option<String>,
        }
    };
}

query! {
    /// Which Llms.
    LlmQuery {
        /// Rows of this kind.
        #[param(inline)]
        kind: Option<row::Kind>,
        /// Rows with this status.
        #[param(inline)]
        status: Option<row::Status>,
        /// `key=value`, several separated by commas: rows that have them all. A comma or backslash of a label has a
        /// backslash before it.
        #[param(pattern = r"^([^,=\\]|\\.)*=([^,\\]|\\.)*(,([^,=\\]|\\.)*=([^,\\]|\\.)*){0,49}$")]
        label: Option<String>,
        /// Text in name, description or model.
        #[param(max_length = 1000)]
        q: Option<String>,
        /// Only what can be called now, or only what can't.
        callable: Option<bool>,
        /// Members of this pool.
        pool: Option<String>,
    }
}

query! {
    /// Which agents.
    AgentQuery {
        /// Rows of this kind.
        #[param(inline)]
        kind: Option<row::Kind>,
        /// Rows with this status.
        #[param(inline)]
        status: Option<row::Status>,
        /// `key=value`, several separated by commas: rows that have them all. A comma or backslash of a label has a
        /// backslash before it.
        #[param(pattern = r"^([^,=\\]|\\.)*=([^,\\]|\\.)*(,([^,=\\]|\\.)*=([^,\\]|\\.)*){0,49}$")]
        label: Option<String>,
        /// Text in name, description or model.
        #[param(max_length = 1000)]
        q: Option<String>,
        /// Only what can be called now, or only what can't.
        callable: Option<bool>,
        /// Pinned to this Llm or pool.
        llm: Option<String>,
        /// In this project.
        project: Option<String>,
        /// Pinned to this pool.
        pool: Option<String>,
    }
}

query! {
    /// Which projects.
    ProjectQuery {
        /// Text in the name or the description; of prompts, in the content.
        #[param(max_length = 1000)]
        q: Option<String>,
    }
}

query! {
    /// Which personalities.
    PersonalityQuery {
        /// Text in the name or the description; of prompts, in the content.
        #[param(max_length = 1000)]
        q: Option<String>,
        /// Of this agent.
        agent: Option<String>,
    }
}

query! {
    /// Which prompts.
    PromptQuery {
        /// Text in the name or the description; of prompts, in the content.
        #[param(max_length = 1000)]
        q: Option<String>,
        /// Of this agent.
        agent: Option<String>,
        /// Of this project.
        project: Option<String>,
        /// Of this personality.
        personality: Option<String>,
    }
}
