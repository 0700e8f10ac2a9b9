//! Two kinds of plot as SVG text, both on logarithmic axes: bars beside a line at one, and curves.

use std::fmt::Write as _;

const COLOURS: [&str; 4] = ["#1b6ca8", "#c0562b", "#3c8d5a", "#7a4fa3"];
const STYLE: &str = "<style>text{font:12px sans-serif;fill:#333}.t{font-size:14px;font-weight:bold}</style>";

/// A label and a value above zero.
pub(crate) type Bar<'a> = (&'a str, f64);

/// One curve: its name and its points, in the order of the horizontal axis.
pub(crate) struct Curve<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn colour(at: usize) -> &'static str {
    COLOURS.iter().cycle().nth(at).copied().unwrap_or("#000")
}

/// The powers of ten that enclose some values, between 10^-12 and 10^12.
fn decades(values: impl Iterator<Item = f64>) -> (i32, i32) {
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
    let low = (-12..12).rev().find(|e| 10f64.powi(*e) <= least).unwrap_or(-12);
    (low, (low + 1..12).find(|e| 10f64.powi(*e) >= most).unwrap_or(12))
}

fn power(exponent: i32) -> String {
    let value = 10f64.powi(exponent);
    if exponent < 0 { format!("{value}") } else { format!("{value:.0}") }
}

/// Horizontal bars of ratios, with a line at one.
pub(crate) fn bars(title: &str, bars: &[Bar<'_>]) -> String {
    let (left, width, step) = (260.0, 420.0, 24.0);
    let height = 60.0 + step * bars.len() as f64;
    let (low, high) = decades(bars.iter().map(|b| b.1).chain([1.0]));
    let x = |value: f64| left + width * (value.log10() - f64::from(low)) / f64::from(high - low);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" role=\"img\">{STYLE}\
         <rect width=\"760\" height=\"{height}\" fill=\"#fff\"/><text class=\"t\" x=\"10\" y=\"20\">{}</text>\n",
        escape(title)
    );
    for exponent in low..=high {
        let at = x(10f64.powi(exponent));
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"30\" y2=\"{:.1}\" stroke=\"{}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}x</text>",
            height - 22.0,
            if exponent == 0 { "#333" } else { "#ddd" },
            height - 8.0,
            power(exponent)
        );
    }
    for (at, (label, value)) in bars.iter().enumerate() {
        let y = 36.0 + step * at as f64;
        let (from, to) = if *value < 1.0 { (x(*value), x(1.0)) } else { (x(1.0), x(*value)) };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"16\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{value:.3}x</text>",
            left - 8.0,
            y + 12.0,
            escape(label),
            to - from,
            colour(usize::from(*value < 1.0)),
            to + 6.0,
            y + 12.0
        );
    }
    svg + "</svg>\n"
}

/// Curves over one horizontal axis.
pub(crate) fn curves(title: &str, horizontal: &str, vertical: &str, curves: &[Curve<'_>]) -> String {
    let (left, top, width, height) = (70.0, 40.0, 520.0, 260.0);
    let points = || curves.iter().flat_map(|c| c.points.iter().copied());
    let (x0, x1) = points().fold((f64::MAX, f64::MIN), |(a, b), (x, _)| (a.min(x), b.max(x)));
    let (low, high) = decades(points().map(|p| p.1));
    let x = |v: f64| left + width * (v / x0).ln() / (x1 / x0).ln();
    let y = |v: f64| top + height - height * (v.log10() - f64::from(low)) / f64::from(high - low);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 350\" role=\"img\">{STYLE}\
         <rect width=\"760\" height=\"350\" fill=\"#fff\"/><text class=\"t\" x=\"10\" y=\"20\">{}</text>\
         <text x=\"{:.1}\" y=\"340\" text-anchor=\"middle\">{}</text><text x=\"10\" y=\"36\">{}</text>\n",
        escape(title),
        left + width / 2.0,
        escape(horizontal),
        escape(vertical)
    );
    for exponent in low..=high {
        let at = y(10f64.powi(exponent));
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left + width,
            left - 6.0,
            at + 4.0,
            power(exponent)
        );
    }
    let mut marks: Vec<f64> = points().map(|p| p.0).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for mark in marks {
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"320\" text-anchor=\"middle\">{mark}</text>", x(mark));
    }
    for (at, curve) in curves.iter().enumerate() {
        let colour = colour(at);
        let path: Vec<String> = curve.points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
        let _ = write!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for p in &curve.points {
            let _ = write!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", x(p.0), y(p.1));
        }
        if let Some(last) = curve.points.last() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{colour}\">{}</text>",
                x(last.0) + 8.0,
                y(last.1) + 4.0,
                escape(curve.name)
            );
        }
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_below_one_ends_at_the_line_of_one_and_text_is_escaped() {
        let svg = bars("a < b", &[("slow & sad", 0.1), ("fast", 10.0)]);
        assert!(svg.contains("a &lt; b") && svg.contains("slow &amp; sad"));
        // From 0.1 to 10 the line of one is in the middle, at 260 + 210.
        assert!(svg.contains("<rect x=\"260.0\" y=\"36.0\" width=\"210.0\""), "{svg}");
        assert!(svg.contains("<rect x=\"470.0\" y=\"60.0\" width=\"210.0\""), "{svg}");
    }

    #[test]
    fn curves_span_their_axes() {
        let curve = Curve { name: "cost", points: vec![(1.0, 1.0), (10.0, 10.0), (100.0, 100.0)] };
        let svg = curves("t", "n", "ms", &[curve]);
        assert!(svg.contains("points=\"70.0,300.0 330.0,170.0 590.0,40.0\""), "{svg}");
    }
}
