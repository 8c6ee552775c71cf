//! Makes a new migration file rebuild this crate: the files are embedded, and Cargo does not watch folders by itself.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
