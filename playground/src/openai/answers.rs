//! Every word the stand-in model can say. It never pretends to think: each answer begins by saying what it is.

/// Picks the answer for the last question, in the question's script.
pub(super) fn to(question: &str) -> String {
    let lower = question.to_lowercase();
    let asks_of_the_sky = ["sky", "неб", "سماء"]
        .iter()
        .any(|word| lower.contains(word));
    match Script::of(question) {
        Script::Cyrillic if asks_of_the_sky => RUSSIAN_SKY.to_owned(),
        Script::Cyrillic => format!(
            "{RUSSIAN_INTRODUCTION}«{}».{RUSSIAN_REST}",
            quoted(question)
        ),
        Script::Arabic => ARABIC.to_owned(),
        Script::Other if asks_of_the_sky => ENGLISH_SKY.to_owned(),
        Script::Other => format!(
            "{ENGLISH_INTRODUCTION}\u{201c}{}\u{201d}.{ENGLISH_REST}",
            quoted(question)
        ),
    }
}

#[derive(Clone, Copy)]
enum Script {
    Cyrillic,
    Arabic,
    Other,
}

impl Script {
    fn of(text: &str) -> Self {
        let count = |range: std::ops::RangeInclusive<char>| {
            text.chars().filter(|c| range.contains(c)).count()
        };
        let (cyrillic, arabic) = (count('\u{400}'..='\u{4ff}'), count('\u{600}'..='\u{6ff}'));
        let latin = text.chars().filter(char::is_ascii_alphabetic).count();
        if cyrillic > latin.max(arabic) {
            Self::Cyrillic
        } else if arabic > latin {
            Self::Arabic
        } else {
            Self::Other
        }
    }
}

/// A question is quoted back at most this long.
const QUOTED_CHARACTERS_MAX: usize = 120;

fn quoted(question: &str) -> String {
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(QUOTED_CHARACTERS_MAX).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

const ENGLISH_SKY: &str = "I am the playground's stand-in model, and this answer was written by a person. Sunlight holds all colours. Air \
    molecules are much smaller than light waves, and they scatter short waves far more than long ones: blue light about five times as much as \
    red. So blue reaches your eye from every part of the sky, while the rest comes straight from the sun. Violet is scattered even more, but the \
    sun sends less of it and our eyes see it poorly. In the evening the light's way through the air is long, most of the blue is gone, and the sky \
    turns red.";

const ENGLISH_INTRODUCTION: &str =
    "I am the playground's stand-in model: I have prepared texts, not thoughts. You asked: ";
const ENGLISH_REST: &str = " A real model would answer here. Everything around this text is real, though: the question went through the edge, \
    waited in the queue, was handled, and comes back to you word by word. To meet a real model, set OPENAI_API_KEY and start again. I do know one \
    thing by heart: ask me why the sky is blue.";

const RUSSIAN_SKY: &str = "Я модель-заглушка из песочницы, и этот ответ написал человек. В солнечном свете есть все цвета. Молекулы воздуха \
    намного меньше длины волны света и рассеивают короткие волны гораздо сильнее длинных: синий свет примерно в пять раз сильнее красного. \
    Поэтому синий приходит к нам со всего неба. Вечером путь света в воздухе длиннее, синего почти не остаётся, и небо краснеет.";
const RUSSIAN_INTRODUCTION: &str =
    "Я модель-заглушка из песочницы: у меня готовые тексты, а не мысли. Вы спросили: ";
const RUSSIAN_REST: &str = " Здесь ответила бы настоящая модель. Всё вокруг этого текста настоящее: вопрос прошёл через дверь, ждал в очереди, \
    был обработан и возвращается к вам слово за словом. Наизусть я знаю одно: спросите, почему небо голубое.";
const ARABIC: &str = "أنا نموذج بديل في بيئة التجربة، وهذا نص كتبه إنسان مسبقًا. كل ما حوله حقيقي: مرّ سؤالك عبر البوابة وانتظر في الطابور ثم \
    عولج وعاد إليك كلمة بعد كلمة. هنا كان سيجيب نموذج حقيقي.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_says_that_it_is_a_stand_in() {
        for question in [
            "why is the sky blue",
            "hello",
            "почему небо голубое",
            "привет",
            "لماذا السماء زرقاء",
        ] {
            let answer = to(question);
            let honest = ["stand-in", "заглушка", "بديل"]
                .iter()
                .any(|word| answer.contains(word));
            assert!(honest, "{answer}");
        }
    }

    #[test]
    fn the_sky_is_explained_and_other_questions_are_quoted() {
        assert!(to("Why is the SKY blue?").contains("scatter"));
        assert!(to("how do bees fly").contains("how do bees fly"));
    }
}
