//! Labels by which rows are picked, as text: `key=value` with commas between several.

/// The labels of a text; none if one of them is no `key=value`. A comma or backslash of a label has a backslash before it.
pub fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let (mut labels, mut label, mut letters) = (Vec::new(), String::new(), text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            ',' => labels.push(std::mem::take(&mut label)),
            '\\' => label.push(letters.next()?),
            letter => label.push(letter),
        }
    }
    labels.push(label);
    let pair = |label: &String| label.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    labels.iter().map(pair).collect()
}

/// The text of labels.
pub fn write<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let escaped = |text: &str| text.replace('\\', r"\\").replace(',', r"\,");
    let pairs = labels.into_iter().map(|(key, value)| format!("{}={}", escaped(key), escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        for (text, labels) in [
            ("team=red", vec![pair("team", "red")]),
            ("team=red,gpu=a=b", vec![pair("team", "red"), pair("gpu", "a=b")]),
            (r"k=a\,b,x=c\\d", vec![pair("k", "a,b"), pair("x", r"c\d")]),
            ("k=", vec![pair("k", "")]),
        ] {
            assert_eq!(parse(text).as_ref(), Some(&labels), "{text}");
            assert_eq!(write(labels.iter().map(|(key, value)| (key, value))), text);
        }
        assert_eq!(parse("team"), None);
        assert_eq!(parse("a=b,"), None);
        assert_eq!(parse("a=b\\"), None);
    }
}
