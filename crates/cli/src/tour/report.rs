//! The tour's reports: a line on the terminal, `report.json`, `report.html`.

use crate::tour::Outcome;
use serde_json::{Value, json};
use std::fmt::Write;

/// One step as a line of the table.
pub(crate) fn print(outcome: &Outcome) {
    let mark = if outcome.ok { "ok    " } else { "FAILED" };
    println!("{mark} {:<22} {:>8.3} s  {}", outcome.name, outcome.seconds, outcome.line);
}

/// The array of steps.
pub(crate) fn json(outcomes: &[Outcome]) -> Value {
    outcomes
        .iter()
        .map(|o| {
            json!({
                "name": o.name, "claim": o.claim, "ok": o.ok, "seconds": o.seconds,
                "result": o.line, "figures": o.figures,
            })
        })
        .collect()
}

/// Text as HTML.
fn escape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '&' => "&amp;".into(),
            '"' => "&quot;".into(),
            c => c.to_string(),
        })
        .collect()
}

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1a2230;background:#fff}\
h1{font-size:1.6rem}table{border-collapse:collapse;width:100%}td,th{padding:.45rem .6rem;text-align:left;\
vertical-align:top;border-bottom:1px solid #dde3ea}th{font-size:.8rem;text-transform:uppercase;color:#5a6675}\
.ok{color:#0a6b3d;font-weight:600}.bad{color:#b00020;font-weight:600}.claim{color:#5a6675;font-size:.9rem}\
.fig{display:inline-block;background:#eef3f8;border-radius:.3rem;padding:.05rem .45rem;margin:.15rem .3rem .15rem 0;\
font-size:.82rem}.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}svg text{font:12px \
system-ui,sans-serif;fill:#1a2230}";

/// A page that stands alone: no script, nothing fetched.
pub(crate) fn html(outcomes: &[Outcome], quick: bool) -> String {
    let held = outcomes.iter().filter(|o| o.ok).count();
    let seconds: f64 = outcomes.iter().map(|o| o.seconds).sum();
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>mediveil tour</title><style>{STYLE}</style></head><body>\
         <h1>mediveil tour</h1><p>{held} of {} steps hold, in {seconds:.1} s{}. Version {}. Nothing here has been \
         audited.</p>",
        outcomes.len(),
        if quick { " (quick)" } else { "" },
        env!("CARGO_PKG_VERSION"),
    );
    page.push_str(&times(outcomes));
    page.push_str("<table><thead><tr><th>step</th><th></th><th>what happened</th><th>time</th></tr></thead><tbody>");
    for o in outcomes {
        let (class, mark) = if o.ok { ("ok", "holds") } else { ("bad", "FAILED") };
        let _ = write!(
            page,
            "<tr><td><strong>{}</strong></td><td class=\"{class}\">{mark}</td><td>{}<div class=\"claim\">{}</div>",
            escape(o.name),
            escape(&o.line),
            escape(o.claim)
        );
        for (name, value) in &o.figures {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = write!(page, "<span class=\"fig\">{} {}</span>", escape(name), escape(&value));
        }
        page.push_str(&o.chart);
        let _ = write!(page, "</td><td class=\"num\">{:.3} s</td></tr>", o.seconds);
    }
    page.push_str("</tbody></table></body></html>\n");
    page
}

/// Where the time went, as bars.
fn times(outcomes: &[Outcome]) -> String {
    const ROW: usize = 22;
    let longest = outcomes.iter().map(|o| o.seconds).fold(1e-9, f64::max);
    let height = outcomes.len().saturating_mul(ROW).saturating_add(6);
    let mut svg =
        format!("<svg role=\"img\" aria-label=\"Seconds of each step\" width=\"100%\" viewBox=\"0 0 900 {height}\">");
    for (i, o) in outcomes.iter().enumerate() {
        let y = i.saturating_mul(ROW);
        let width = o.seconds / longest * 580.0;
        let fill = if o.ok { "#4a86c5" } else { "#b00020" };
        let _ = write!(
            svg,
            "<text x=\"175\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"185\" y=\"{}\" width=\"{width:.1}\" \
             height=\"14\" rx=\"2\" fill=\"{fill}\"/><text x=\"{:.1}\" y=\"{}\">{:.3} s</text>",
            y.saturating_add(15),
            escape(o.name),
            y.saturating_add(4),
            192.0 + width,
            y.saturating_add(15),
            o.seconds
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_escapes_what_came_from_files() {
        let outcome = Outcome {
            name: "a<b",
            claim: "c",
            ok: false,
            seconds: 0.5,
            line: "<script>alert(\"x\")</script>".into(),
            figures: serde_json::Map::new(),
            chart: String::new(),
        };
        let page = html(&[outcome], false);
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;alert(&quot;x&quot;)"));
        assert!(page.contains("0 of 1 steps hold"));
    }
}
