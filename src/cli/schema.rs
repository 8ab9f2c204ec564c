//! `outflow schema`: JSON Schema of the project's files, for editors.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::open;
use super::output::Output;
use crate::project;
use crate::sync::error::Exit;

/// Arguments of `outflow schema`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow schema mapping\n  \
    outflow schema --write .outflow/schema\n\n\
    In an editor with the YAML language server, begin a mapping with\n  \
    # yaml-language-server: $schema=../schema/mapping.schema.json")]
pub(crate) struct SchemaArgs {
    /// Which file's schema [default: outflow; with --write: both]
    #[arg(value_enum, value_name = "FILE")]
    file: Option<SchemaFile>,
    /// Write the schemas into this folder instead of stdout
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SchemaFile {
    /// outflow.yaml
    Outflow,
    /// mappings/*.yaml
    Mapping,
}

/// Prints or writes schemas.
pub(crate) fn run(args: &SchemaArgs, out: &mut Output) -> Result<Exit, Failure> {
    let Some(folder) = &args.write else {
        out.raw(&text(args.file.unwrap_or(SchemaFile::Outflow))?);
        return Ok(Exit::Done);
    };
    for file in [SchemaFile::Outflow, SchemaFile::Mapping] {
        if args.file.is_some_and(|only| only != file) {
            continue;
        }
        let path = folder.join(match file {
            SchemaFile::Outflow => "outflow.schema.json",
            SchemaFile::Mapping => "mapping.schema.json",
        });
        write(folder, &path, &text(file)?)?;
        out.line(path.display());
    }
    Ok(Exit::Done)
}

fn text(file: SchemaFile) -> Result<String, Failure> {
    let schemas = project::json_schema(open::registry());
    let name = match file {
        SchemaFile::Outflow => "outflow",
        SchemaFile::Mapping => "mapping",
    };
    let schema = schemas
        .get(name)
        .ok_or_else(|| Failure::bug(format!("no schema of {name}")))?;
    let mut text = serde_json::to_string_pretty(schema).map_err(|error| Failure::bug(error.to_string()))?;
    text.push('\n');
    Ok(text)
}

fn write(folder: &Path, path: &Path, text: &str) -> Result<(), Failure> {
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, text));
    written.map_err(|error| {
        Failure::config("write", format!("cannot write a schema: {error}")).at(path.display().to_string())
    })
}
