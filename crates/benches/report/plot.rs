//! Lines over logarithmic axes, as SVG.

use plotters::prelude::*;
use redis_collections_benches::{Plot, with_separators};

type Drawn = Result<(), Box<dyn std::error::Error>>;

pub(crate) fn svg(plot: &Plot) -> String {
    let mut text = String::new();
    draw(plot, &mut text).unwrap();
    text
}

fn draw(plot: &Plot, text: &mut String) -> Drawn {
    let root = SVGBackend::with_string(text, (WIDTH + LEGEND, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let (lines, legend) = root.split_horizontally(WIDTH);
    let points = || plot.series.iter().flat_map(|series| &series.points);
    let [first, last] = range(points().map(|(x, _)| *x));
    let [low, high] = range(points().map(|(_, y)| *y));
    let mut chart = ChartBuilder::on(&lines)
        .caption(&plot.title, (FONT, 24))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d(
            (first..last * 1.05).log_scale().base(2.0),
            (low / 1.3..high * 1.3).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(&plot.axes.x)
        .y_desc(&plot.axes.y)
        .x_labels(12)
        .y_labels(12)
        .x_label_formatter(&|x| with_separators(*x, 0))
        .y_label_formatter(&|y| with_separators(*y, 0))
        .label_style((FONT, SIZE))
        .draw()?;
    for (index, series) in plot.series.iter().enumerate() {
        let line = Palette99::pick(index).stroke_width(if series.is_ours { 3 } else { 1 });
        let points = series.points.iter().copied();
        chart.draw_series(LineSeries::new(points.clone(), line))?;
        chart.draw_series(points.map(|point| Circle::new(point, 3, line.filled())))?;
        let y = 60 + 22 * i32::try_from(index)?;
        legend.draw(&PathElement::new([(0, y + 7), (24, y + 7)], line))?;
        legend.draw(&Text::new(series.name.replace('`', ""), (32, y), (FONT, SIZE)))?;
    }
    legend.draw(&Text::new("thick: this crate", (32, 36), (FONT, SIZE)))?;
    root.present()?;
    Ok(())
}

/// The least and the greatest.
fn range(figures: impl Iterator<Item = f64>) -> [f64; 2] {
    figures.fold([f64::MAX, 0.0], |[low, high], figure| [low.min(figure), high.max(figure)])
}

const WIDTH: u32 = 680;
const LEGEND: u32 = 300;
const HEIGHT: u32 = 460;
const FONT: &str = "sans-serif";
const SIZE: u32 = 17;
