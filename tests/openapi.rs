//! `sallyport openapi` prints the document that is committed.

use std::process::Command;

#[test]
fn the_program_prints_the_committed_document() {
    let program = env!("CARGO_BIN_EXE_sallyport");

    let printed = Command::new(program).arg("openapi").output().unwrap();

    assert!(printed.status.success());
    let committed = include_bytes!("../docs/api/ops.openapi.json");
    assert!(
        printed.stdout == committed,
        "write it anew: cargo run --quiet -- openapi > docs/api/ops.openapi.json"
    );
}
