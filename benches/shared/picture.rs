//! Pictures: bars with their spread, one panel per figure.

use std::fmt;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::numbers::{Figure, short};

const WIDTH: u32 = 860;
const FONT: &str = "sans-serif";
/// Room for the names of rows, for a panel's head and foot, and for the legend.
const NAMES: u32 = 170;
const HEAD_AND_FOOT: u32 = 90;
const LEGEND: u32 = 24;
const COLOURS: [RGBColor; 4] =
    [RGBColor(46, 111, 178), RGBColor(221, 132, 46), RGBColor(72, 150, 90), RGBColor(150, 84, 160)];

/// Panels, one below the other.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    panels: Vec<Panel>,
}

/// Rows of bars.
#[derive(Clone, Debug)]
pub struct Panel {
    title: String,
    unit: String,
    /// What the bars of a row are, where that differs.
    series: Vec<String>,
    rows: Vec<(String, Vec<Option<Figure>>)>,
}

impl Panel {
    /// Without bars yet.
    pub fn new(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { title: title.into(), unit: unit.into(), series: Vec::new(), rows: Vec::new() }
    }

    /// Names the bars of each row.
    #[must_use]
    pub fn series<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.series = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a row; what was not measured has no bar.
    pub fn row(&mut self, name: impl Into<String>, bars: Vec<Option<Figure>>) {
        self.rows.push((name.into(), bars));
    }

    fn bars(&self) -> usize {
        self.rows.iter().map(|(_, bars)| bars.len()).max().unwrap_or(0).max(1)
    }

    fn height(&self) -> u32 {
        let row = match self.bars() {
            1 => 26,
            bars => 12 + 8 * u32::try_from(bars).unwrap_or(0).min(16),
        };
        HEAD_AND_FOOT + self.legend() + row * u32::try_from(self.rows.len()).unwrap_or(0)
    }

    fn legend(&self) -> u32 {
        if self.series.is_empty() { 0 } else { LEGEND }
    }

    fn end(&self) -> f64 {
        let bars = self.rows.iter().flat_map(|(_, bars)| bars).flatten();
        let end = bars.map(|bar| bar.high.max(bar.median)).fold(0.0, f64::max);
        if end > 0.0 { end * 1.12 } else { 1.0 }
    }
}

impl Picture {
    /// With one panel more.
    #[must_use]
    pub fn with(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// The picture as a file.
    pub fn svg(&self) -> Result<String> {
        let height = self.panels.iter().map(Panel::height).sum();
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            root.fill(&WHITE).map_err(failed)?;
            let mut rest = root;
            for panel in &self.panels {
                let (area, below) = rest.split_vertically(panel.height());
                draw(panel, &area).map_err(failed)?;
                rest = below;
            }
        }
        Ok(svg)
    }
}

fn failed(error: impl fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw the picture: {error}")
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> =
    std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

#[expect(clippy::cast_precision_loss, reason = "a few rows")]
fn draw<'a>(panel: &Panel, area: &Area<'a>) -> Drawn<'a> {
    let rows = panel.rows.len() as f64;
    let (area, below) = area.split_vertically(panel.height() - panel.legend());
    legend(panel, &below)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(&panel.title, (FONT, 17))
        .margin(8)
        .margin_right(24)
        .x_label_area_size(40)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(0.0..panel.end(), 0.0..rows)?;
    let mut mesh = chart.configure_mesh();
    mesh.disable_y_mesh().light_line_style(TRANSPARENT).y_labels(0).x_desc(&panel.unit).x_labels(8);
    mesh.x_label_formatter(&|value| short(*value)).label_style((FONT, 12)).draw()?;

    let names = TextStyle::from((FONT, 13)).pos(Pos::new(HPos::Right, VPos::Center));
    let values = TextStyle::from((FONT, 11)).pos(Pos::new(HPos::Left, VPos::Center));
    let bars = panel.bars();
    let thick = 0.8 / bars as f64;
    for (number, (name, figures)) in panel.rows.iter().enumerate() {
        let top = rows - number as f64 - 0.1;
        let middle = (0.0, top - 0.4);
        chart
            .plotting_area()
            .draw(&(EmptyElement::at(middle) + Text::new(name.clone(), (-8, 0), names.clone())))?;
        for (at, figure) in figures.iter().enumerate() {
            let Some(figure) = figure else { continue };
            let (above, below) = (top - thick * at as f64, top - thick * (at + 1) as f64);
            let colour = if panel.series.is_empty() { COLOURS[0] } else { COLOURS[at % 4] };
            let bar = [(0.0, above), (figure.median, below + thick * 0.12)];
            chart.plotting_area().draw(&Rectangle::new(bar, colour.mix(0.85).filled()))?;
            let centre = f64::midpoint(above, below + thick * 0.12);
            let spread = vec![(figure.low, centre), (figure.high, centre)];
            chart
                .plotting_area()
                .draw(&PathElement::new(spread, BLACK.mix(0.6).stroke_width(2)))?;
            if bars <= 4 {
                let end = (figure.high.max(figure.median), centre);
                let text = Text::new(short(figure.median), (5, 0), values.clone());
                chart.plotting_area().draw(&(EmptyElement::at(end) + text))?;
            }
        }
    }
    Ok(())
}

/// Which colour is which.
fn legend<'a>(panel: &Panel, area: &Area<'a>) -> Drawn<'a> {
    let style = TextStyle::from((FONT, 12)).pos(Pos::new(HPos::Left, VPos::Center));
    let y = 10;
    let mut x = i32::try_from(NAMES).unwrap_or(0);
    for (name, colour) in panel.series.iter().zip(COLOURS.iter().cycle()) {
        area.draw(&Rectangle::new([(x, y - 6), (x + 12, y + 6)], colour.mix(0.85).filled()))?;
        area.draw(&Text::new(name.clone(), (x + 18, y), style.clone()))?;
        x += 40 + 8 * i32::try_from(name.chars().count()).unwrap_or(0);
    }
    Ok(())
}
