//! Files that people "sent": small, made on the spot, found again by `getFile` and the download door.
//!
//! A file's content is a sentence that says what it is; only its size may be claimed larger, to meet the 20 MB limit.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

/// Files remembered per bot; the oldest can no longer be fetched, as links expire in real life.
const FILES_MAX: usize = 1_000;

/// `getFile` refuses larger ones.
pub(crate) const DOWNLOAD_BYTES_MAX: u64 = 20 * 1024 * 1024;

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) file_id: String,
    pub(crate) unique_id: String,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) content: String,
}

/// The files of one bot.
#[derive(Default)]
pub(crate) struct Files {
    kept: VecDeque<Stored>,
}

/// What a person attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MediaKind {
    Photo,
    Document,
    Voice,
    Audio,
    Video,
    VideoNote,
    Animation,
    Sticker,
    Location,
    Contact,
}

impl Files {
    pub(crate) fn find(&self, file_id: &str) -> Option<&Stored> {
        self.kept.iter().find(|stored| stored.file_id == file_id)
    }

    pub(crate) fn at_path(&self, path: &str) -> Option<&Stored> {
        self.kept.iter().find(|stored| stored.path == path)
    }

    /// Makes what a message of this kind carries, and keeps its file. `size` claims a size other than the content's.
    pub(crate) fn attach(
        &mut self,
        kind: MediaKind,
        name: Option<&str>,
        size: Option<u64>,
    ) -> Map<String, Value> {
        let field = match kind {
            MediaKind::Location => {
                return object(json!({"location": {"latitude": 52.52, "longitude": 13.405}}));
            }
            MediaKind::Contact => {
                return object(
                    json!({"contact": {"phone_number": "+10000000000", "first_name": "Somebody"}}),
                );
            }
            MediaKind::Photo => "photo",
            MediaKind::Document => "document",
            MediaKind::Voice => "voice",
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::VideoNote => "video_note",
            MediaKind::Animation => "animation",
            MediaKind::Sticker => "sticker",
        };
        let stored = self.store(field, name, size);
        let mut shown = json!({"file_id": stored.file_id, "file_unique_id": stored.unique_id, "file_size": stored.size});
        if let Value::Object(fields) = &mut shown {
            fields.extend(details(kind, name));
        }
        let shown = if kind == MediaKind::Photo {
            json!([shown])
        } else {
            shown
        };
        Map::from_iter([(field.to_owned(), shown)])
    }

    fn store(&mut self, field: &str, name: Option<&str>, size: Option<u64>) -> Stored {
        let number: u64 = rand::random();
        let name = name.unwrap_or("file.txt").replace(['/', '\\'], "_");
        let content = format!("This is a {field} from the playground. It has no other content.\n");
        let stored = Stored {
            file_id: format!("playground-{field}-{number:016x}"),
            unique_id: format!("{number:016x}"),
            path: format!("{field}s/{number:016x}_{name}"),
            size: size.unwrap_or(content.len() as u64),
            content,
        };
        self.kept.push_back(stored.clone());
        while self.kept.len() > FILES_MAX {
            self.kept.pop_front();
        }
        stored
    }
}

fn details(kind: MediaKind, name: Option<&str>) -> Map<String, Value> {
    let details = match kind {
        MediaKind::Photo => json!({"width": 1280, "height": 720}),
        MediaKind::Document => {
            json!({"file_name": name.unwrap_or("notes.txt"), "mime_type": "text/plain"})
        }
        MediaKind::Voice => json!({"duration": 3, "mime_type": "audio/ogg"}),
        MediaKind::Audio => json!({"duration": 180, "mime_type": "audio/mpeg", "title": "A song"}),
        MediaKind::Video | MediaKind::Animation => {
            json!({"width": 1280, "height": 720, "duration": 5, "mime_type": "video/mp4"})
        }
        MediaKind::VideoNote => json!({"length": 240, "duration": 5}),
        MediaKind::Sticker => json!({
            "type": "regular", "width": 512, "height": 512, "is_animated": false, "is_video": false, "emoji": "🙂"
        }),
        MediaKind::Location | MediaKind::Contact => Value::Null,
    };
    object(details)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
