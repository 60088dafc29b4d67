//! The chart of `throughput`: accepted reservations per second by clients, a line for each store, and the limits as dashed
//! lines. Its colours and its grey text can be read on white and on dark; it has no background of its own.

use std::path::Path;

use plotters::prelude::*;

use crate::{
    failure::{Outcome, failed},
    ground::StoreKind,
    reckoning::figures::Figure,
    results::{Results, Row},
    tables::whole,
};

const SIZE: (u32, u32) = (860, 520);
const GREY: RGBColor = RGBColor(125, 125, 125);
const COLOURS: [(StoreKind, RGBColor); 3] = [
    (StoreKind::Embedded, RGBColor(46, 139, 87)),
    (StoreKind::OneNode, RGBColor(30, 120, 220)),
    (StoreKind::ThreeNode, RGBColor(205, 95, 30)),
];

/// A named series of points.
struct Line {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
    is_limit: bool,
}

/// Draws what was measured; nothing when `throughput` was not.
pub(crate) fn draw(path: &Path, all: &[Results]) -> Outcome<bool> {
    let rows = |scenario: &str| -> &[Row] {
        all.iter().find(|results| results.scenario.name == scenario).map_or(&[], |results| &results.rows)
    };
    let mut lines = Vec::new();
    for (store, colour) in COLOURS {
        let points = points(rows("throughput").iter().filter(|row| row.store == Some(store)));
        if !points.is_empty() {
            lines.push(Line { name: format!("{store}"), colour, points, is_limit: false });
        }
    }
    let every = lines.iter().flat_map(|line| &line.points).map(|(clients, _)| *clients);
    let (least, most) =
        every.fold((f64::MAX, 0.0_f64), |(least, most), clients| (least.min(clients), most.max(clients)));
    if lines.is_empty() {
        return Ok(false);
    }
    let health = points(rows("limits").iter().filter(|row| row.name.starts_with("GET /health")));
    if !health.is_empty() {
        lines.push(Line { name: "GET /health".to_owned(), colour: GREY, points: health, is_limit: true });
    }
    for (store, colour) in COLOURS {
        let name = format!("{store}, insertMany");
        let found = rows("limits").iter().find(|row| row.name == name);
        if let Some(rate) = found.and_then(|row| row.spread(Figure::PerSecond)) {
            let points = vec![(least, rate.median), (most, rate.median)];
            lines.push(Line { name, colour, points, is_limit: true });
        }
    }
    drawn(path, &lines, (least, most)).map_err(failed(&path.display().to_string()))?;
    Ok(true)
}

#[expect(clippy::cast_precision_loss, reason = "clients are a few thousand at most")]
fn points<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<(f64, f64)> {
    let point = |row: &Row| Some((row.clients? as f64, row.spread(Figure::PerSecond)?.median));
    let mut points: Vec<(f64, f64)> = rows.filter_map(point).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points
}

fn drawn(path: &Path, lines: &[Line], (least, most): (f64, f64)) -> Result<(), Box<dyn std::error::Error>> {
    let rates = lines.iter().flat_map(|line| &line.points).map(|(_, rate)| *rate);
    let (low, high) = rates.fold((f64::MAX, 1.0_f64), |(low, high), rate| (low.min(rate), high.max(rate)));
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    let text = |size: i32| ("sans-serif", size).into_font().color(&GREY);
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .caption("Reservations accepted per second, one event", text(23))
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d(
            (least * 0.8..most.max(least * 2.0) * 1.25).log_scale(),
            (low * 0.7..high * 1.6).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("clients")
        .y_desc("per second")
        .x_label_formatter(&|clients| whole(*clients))
        .y_label_formatter(&|rate| whole(*rate))
        .label_style(text(17))
        .axis_desc_style(text(17))
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.3))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for line in lines {
        let style = ShapeStyle::from(line.colour).stroke_width(2);
        let colour = line.colour;
        let (points, is_limit) = (line.points.iter().copied(), line.is_limit);
        let drawn = if is_limit {
            chart.draw_series(DashedLineSeries::new(points.clone(), 6, 5, style))?
        } else {
            chart.draw_series(LineSeries::new(points.clone(), style))?
        };
        drawn.label(&line.name).legend(move |(x, y)| {
            let end = if is_limit { x + 10 } else { x + 24 };
            PathElement::new(vec![(x, y), (end, y)], colour.stroke_width(2))
        });
        if !is_limit {
            chart.draw_series(points.map(|point| Circle::new(point, 4, colour.filled())))?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .legend_area_size(30)
        .label_font(text(17))
        .draw()?;
    area.present()?;
    Ok(())
}
