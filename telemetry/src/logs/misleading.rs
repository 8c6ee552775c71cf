//! Characters that look like nothing and change what a reader sees.
//!
//! They exist in strangers' texts to end a line where none ends, to drive a terminal, or to turn what follows around. No
//! line holds one as it is: both forms write its number.

/// Whether this one is written by its number.
pub(super) fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Separators of lines and paragraphs, which many readers take for line breaks.
            '\u{2028}' | '\u{2029}'
            // Marks and overrides of direction.
            | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // No width at all; the joiner of emoji and Indic scripts (200D) stays, and so does its opposite.
            | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{180e}' | '\u{fff9}'..='\u{fffb}'
        )
}
