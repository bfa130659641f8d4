//! Llms.

use super::{
    At, Page, RowFilter, StoreError, StoredLlm, Tables,
    database::Cells,
    rows::{Select, Stored, json_text},
    statement::{Table, Value},
};
use mcpctl_events::definition::LlmDefinition;

/// Which Llms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LlmFilter {
    /// What all rows have.
    pub rows: RowFilter,
    /// Members of this pool; the pool of a row without one is its own name.
    pub pool: Option<String>,
}

impl Tables {
    /// Llms by name.
    pub async fn llms(&self, filter: &LlmFilter) -> Result<Page<StoredLlm>, StoreError> {
        let mut select = Select::from::<LlmDefinition>();
        select.filter(&filter.rows);
        if let Some(pool) = &filter.pool {
            select.and("COALESCE(t.pool_name, t.name) = ").arg(pool.as_str());
        }
        self.page(select, filter.rows.limit).await
    }

    /// The Llm of this name, or else of this id.
    pub async fn llm(&self, name_or_id: &str) -> Result<At<Option<StoredLlm>>, StoreError> {
        self.one(name_or_id).await
    }
}

impl Stored for LlmDefinition {
    #[rustfmt::skip]
    const TABLE: Table = Table {
        name: "llm_rows",
        columns: &[
            "name", "id", "kind", "status", "awake_status", "disabled", "session_id", "owner_id", "version",
            "last_heartbeat_at", "inactive_since", "created_at", "updated_at",
            "type", "model", "url", "tier", "description", "pool_name", "api_key_ref", "extra_config",
            "max_concurrent", "max_wait_seconds", "labels",
        ],
    };

    fn bind(&self) -> Vec<Value> {
        vec![
            self.type_.as_str().into(),
            self.model.as_str().into(),
            Value::Text(self.url.clone()),
            Value::Text(self.tier.clone()),
            Value::Text(self.description.clone()),
            Value::text_or_null(self.pool_name.as_ref()),
            Value::Text(self.api_key_ref.as_ref().map(json_text)),
            Value::Text(self.extra_config.as_ref().map(|json| json.get().to_owned())),
            self.max_concurrent.into(),
            self.max_wait_seconds.into(),
            json_text(&self.labels).into(),
        ]
    }

    fn read(cells: &mut Cells) -> Result<Self, String> {
        Ok(Self {
            type_: cells.text()?.to_owned(),
            model: cells.text()?.to_owned(),
            url: cells.text_or_null()?.map(str::to_owned),
            tier: cells.text_or_null()?.map(str::to_owned),
            description: cells.text_or_null()?.map(str::to_owned),
            pool_name: cells.word_or_null()?,
            api_key_ref: cells.json_or_null()?,
            extra_config: cells.json_or_null()?,
            max_concurrent: cells.number_or_null()?,
            max_wait_seconds: cells.number_or_null()?,
            labels: cells.json()?,
        })
    }
}
