//! LOLWUT: a small drawing, and the version, which is what clients read of it.

use crate::command::{Arg, Args, Categories, CommandResult, CommandSpec, Context, Flags, Group};
use crate::instance::{REDIS_VERSION, RUDDLE_VERSION};
use crate::resp::Request;

/// Columns and rows of the drawing.
const WIDTH: usize = 48;
const HEIGHT: usize = 7;
/// From bare rock to a thick coat of ochre.
const SHADES: [char; 5] = [' ', '.', ':', 'o', '#'];
/// Strokes of the hand.
const STROKES: usize = 9;

/// LOLWUT [VERSION version]
pub static LOLWUT: CommandSpec = CommandSpec::new("LOLWUT", Group::Server, lolwut)
    .doc("Draws something and tells the version.", "5.0.0", "O(1)")
    .arity(-1)
    .flags(&[Flags::READONLY, Flags::FAST])
    .categories(&[Categories::READ])
    .args(&[Arg::integer("version").with_token("VERSION").optional()]);

/// Whatever drawing a version asks for, with whatever figures behind it, there is this one.
fn lolwut(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 1);
    if args.remaining() > 1 && args.keyword("VERSION") {
        args.integer()?;
    }
    let mut text = draw(&mut context.db.rng);
    text.push_str(&format!(
        "\nRed ochre on limestone. Ruddle ver. {RUDDLE_VERSION}\nRedis ver. {REDIS_VERSION}\n"
    ));
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Smears strokes of pigment over a wall: each begins thick and runs out on its way.
fn draw(rng: &mut fastrand::Rng) -> String {
    let mut wall = [[0usize; WIDTH]; HEIGHT];
    for _ in 0..STROKES {
        let (mut row, mut column) = (rng.usize(..HEIGHT), rng.usize(..WIDTH));
        let mut pigment = rng.usize(8..40);
        while pigment > 0 && column < WIDTH {
            let coat = &mut wall[row][column];
            *coat = (*coat + 1 + pigment / 16).min(SHADES.len() - 1);
            column += 1;
            pigment -= 1;
            row = match rng.usize(..8) {
                0 => row.saturating_sub(1),
                1 => (row + 1).min(HEIGHT - 1),
                _ => row,
            };
        }
    }
    let line = |row: &[usize; WIDTH]| {
        row.iter()
            .map(|&coat| SHADES[coat])
            .chain(['\n'])
            .collect::<String>()
    };
    wall.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_fills_its_frame_and_depends_on_chance_alone() {
        let drawing = draw(&mut fastrand::Rng::with_seed(7));
        assert_eq!(drawing, draw(&mut fastrand::Rng::with_seed(7)));
        assert_ne!(drawing, draw(&mut fastrand::Rng::with_seed(8)));
        assert!(drawing.lines().all(|line| line.len() == WIDTH));
        assert_eq!(drawing.lines().count(), HEIGHT);
    }
}
