//! `cargo run --example picture > docs/split.svg`: the README's picture of a split in two tables.
//!
//! Both tables were synced daily. The left one keeps each close as first emitted, like an ordinary incremental sync; the
//! right one was read again when the split changed the history.

use std::fmt::Write;

/// NVDA's closes as traded in 2024, and the divisors of the ten-for-one split on June 10.
const CLOSES: [(&str, f64, f64); 6] = [
    ("06-05", 1224.40, 10.0),
    ("06-06", 1209.98, 10.0),
    ("06-07", 1208.88, 10.0),
    ("06-10", 121.79, 1.0),
    ("06-11", 120.91, 1.0),
    ("06-12", 125.20, 1.0),
];
/// Between the third day and the fourth.
const SPLIT_AT: f64 = 2.5;

const PANEL_WIDTH: f64 = 420.0;
const PLOT: Plot = Plot { left: 56.0, right: 396.0, top: 84.0, bottom: 236.0 };

/// The position of the plot in a panel, in pixels from the panel's corner.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

fn main() {
    let as_traded = CLOSES.map(|(_, close, _)| close);
    let on_one_basis = CLOSES.map(|(_, close, ratio)| close / ratio);
    // The greys and colours have enough contrast on GitHub's light and dark pages.
    print!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 290" role="img" aria-labelledby="title">
<title id="title">NVDA's ten-for-one split of June 2024: an ordinary incremental table shows a fall of ninety percent, this connector's table shows none.</title>
<style>
text {{ font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #6e7b88; }}
.heading {{ font-size: 16px; font-weight: 600; }}
.grid {{ stroke: #6e7b88; stroke-opacity: 0.3; }}
.split {{ stroke: #6e7b88; stroke-dasharray: 4 4; }}
.line {{ fill: none; stroke-width: 3; stroke-linejoin: round; }}
.wrong {{ stroke: #e5534b; }} .right {{ stroke: #3a9d5d; }}
circle.wrong {{ fill: #e5534b; }} circle.right {{ fill: #3a9d5d; }}
</style>
{}{}</svg>
"#,
        panel(0.0, "An ordinary incremental table", "rows stay as they were on their day", "wrong", &as_traded, 1300.0),
        panel(440.0, "This connector's table", "history is read again after the split", "right", &on_one_basis, 130.0),
    );
}

/// One table as a line of closes, from 0 to `highest`.
fn panel(left: f64, heading: &str, explanation: &str, class: &str, closes: &[f64; 6], highest: f64) -> String {
    let x = |index: f64| PLOT.left + 20.0 + index / 5.0 * (PLOT.right - PLOT.left - 40.0);
    let y = |close: f64| PLOT.bottom - close / highest * (PLOT.bottom - PLOT.top);
    let mut svg = format!("<g transform=\"translate({left} 0)\">\n");
    let mut add = |line: String| writeln!(svg, "{line}").expect("writes to a string");
    let middle = PANEL_WIDTH / 2.0;
    add(format!(r#"<text class="heading" x="{middle}" y="28" text-anchor="middle">{heading}</text>"#));
    add(format!(r#"<text x="{middle}" y="48" text-anchor="middle">{explanation}</text>"#));
    for part in 0..=2 {
        let price = highest * f64::from(part) / 2.0;
        let (x1, x2, y) = (PLOT.left, PLOT.right, y(price));
        add(format!(r#"<line class="grid" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>"#));
        add(format!(r#"<text x="{}" y="{}" text-anchor="end">${price}</text>"#, x1 - 8.0, y + 4.0));
    }
    let split = x(SPLIT_AT);
    let (top, bottom) = (PLOT.top - 8.0, PLOT.bottom);
    add(format!(r#"<line class="split" x1="{split}" x2="{split}" y1="{top}" y2="{bottom}"/>"#));
    add(format!(r#"<text x="{split}" y="{}" text-anchor="middle">split, 10 for 1</text>"#, top - 6.0));
    let points: Vec<_> = (0..).zip(closes).map(|(index, close)| (x(f64::from(index)), y(*close))).collect();
    let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    add(format!(r#"<polyline class="line {class}" points="{}"/>"#, line.join(" ")));
    for ((x, y), (day, ..)) in points.iter().zip(CLOSES) {
        add(format!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="4"/>"#));
        let below = PLOT.bottom + 22.0;
        add(format!(r#"<text x="{x:.1}" y="{below}" text-anchor="middle">{day}</text>"#));
    }
    let below = PLOT.bottom + 44.0;
    add(format!(r#"<text x="{middle}" y="{below}" text-anchor="middle">NVDA, closes of June 2024</text>"#));
    svg + "</g>\n"
}
