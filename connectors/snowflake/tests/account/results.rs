//! Queries and their results.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::server::{Asked, Reply};
use super::sql::{self, Said};
use super::table::{self, Table};
use super::{Account, Query, done, refused};

impl Account {
    pub(super) fn query(&self, asked: &Asked) -> Reply {
        let body = asked.json();
        let text = body["sqlText"].as_str().unwrap_or_default();
        let request = asked.parameter("requestId").unwrap_or_default();
        let known = self.lock().by_request.get(&request).cloned();
        if let Some(id) = known {
            return self.result(&id);
        }
        let table = {
            let state = self.lock();
            match sql::answer(text, &state.tables, &state.refusals) {
                Said::Rows(table) => table,
                Said::Refused(code, sql_state, message) => {
                    return refused(code, sql_state, &message, Some("01b2-refused"));
                }
            }
        };
        if body["describeOnly"] == true {
            let described = json!({
                "queryId": "01b2-described", "rowtype": table.rowtype(), "total": 0, "returned": 0,
                "queryResultFormat": "arrow", "rowsetBase64": "",
            });
            return done(&described);
        }
        let id = {
            let mut state = self.lock();
            state.next += 1;
            let id = format!("01b2-{}", state.next);
            let query = Query {
                table,
                polls_left: self.options.polls,
            };
            state.queries.insert(id.clone(), query);
            state.by_request.insert(request, id.clone());
            id
        };
        self.result(&id)
    }

    pub(super) fn result(&self, id: &str) -> Reply {
        let mut state = self.lock();
        let generation = state.generation;
        let Some(query) = state.queries.get_mut(id) else {
            return refused("000612", "02000", "Result for query ID has expired", Some(id));
        };
        if query.polls_left > 0 {
            query.polls_left -= 1;
            let code = if query.polls_left.is_multiple_of(2) {
                "333334"
            } else {
                "333333"
            };
            return Reply::json(&json!({
                "data": {"getResultUrl": format!("/queries/{id}/result"), "queryAbortsAfterSecs": 300,
                         "queryId": id, "progressDesc": null},
                "code": code, "message": "Query execution in progress.", "success": false,
            }));
        }
        let table = &query.table;
        let inline = self.options.inline_rows.min(table.rows.len());
        let (first, rest) = table.rows.split_at(inline);
        let files: Vec<Value> = rest
            .chunks(self.options.file_rows)
            .enumerate()
            .map(|(at, rows)| {
                let url = format!(
                    "{}/files/{id}/{at}?generation={generation}&sig=secret-signature-77",
                    self.address.get().unwrap()
                );
                let size = self.packed(table, rows, at).len();
                json!({"url": url, "rowCount": rows.len(), "uncompressedSize": 4 * size, "compressedSize": size})
            })
            .collect();
        let mut data = json!({
            "queryId": id, "rowtype": table.rowtype(), "total": table.rows.len(), "returned": table.rows.len(),
            "queryResultFormat": "json", "sqlState": null, "statementTypeId": 4_096, "version": 1,
            "parameters": [{"name": "TIMEZONE", "value": "UTC"}],
        });
        if self.options.arrow {
            data["queryResultFormat"] = "arrow".into();
            let stream = match inline {
                0 => Vec::new(),
                _ => table::arrow_file(&table.columns, first),
            };
            data["rowsetBase64"] = STANDARD.encode(stream).into();
        } else {
            data["rowset"] = table::json_rows(first);
        }
        if !files.is_empty() {
            data["chunks"] = files.into();
            data["chunkHeaders"] = json!({"x-test-key": "secret-chunk-key"});
        }
        done(&data)
    }

    fn packed(&self, table: &Arc<Table>, rows: &[table::Row], at: usize) -> Vec<u8> {
        // Tables do not change once they are there.
        let place = (Arc::as_ptr(table) as usize, at);
        if let Some(file) = self.files.lock().unwrap().get(&place) {
            return file.clone();
        }
        let file = if self.options.arrow {
            table::arrow_file(&table.columns, rows)
        } else {
            table::json_file(rows)
        };
        let file = if self.options.gzip {
            table::gzipped(&file)
        } else {
            file
        };
        if self.options.kept {
            self.files.lock().unwrap().insert(place, file.clone());
        }
        file
    }

    pub(super) fn file(&self, asked: &Asked) -> Reply {
        let mut state = self.lock();
        if asked.parameter("generation") != Some(state.generation.to_string())
            || asked.header("x-test-key") != Some("secret-chunk-key")
            || asked.header("authorization").is_some()
        {
            let body = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
            return Reply::new(403, "application/xml", body);
        }
        state.files_fetched += 1;
        if state.files_fetched.is_multiple_of(self.options.links_last) {
            state.generation += 1;
        }
        let path = asked.path.split('?').next().unwrap_or_default();
        let mut parts = path.split('/').skip(2);
        let id = parts.next().unwrap_or_default();
        let at: usize = parts.next().unwrap_or_default().parse().unwrap();
        let table = &state.queries[id].table;
        let rest = &table.rows[self.options.inline_rows.min(table.rows.len())..];
        let rows = rest.chunks(self.options.file_rows).nth(at).unwrap();
        let mut reply = Reply::new(200, "application/octet-stream", self.packed(table, rows, at));
        reply.delay = self.options.file_delay;
        if self.options.gzip {
            reply.headers.push(("content-encoding", "gzip".to_owned()));
        }
        reply
    }
}
