"""CLAP (arXiv 2211.06687): sound and its description in one space. laion_clap publishes checkpoints of training; their audio half is read."""

from musicdiff.pretrained import File

LICENCE, ORIGIN = "CC0-1.0 as laion_clap says of itself", "checkpoints of laion_clap"
PUBLISHED = {
    "audio": File(
        name="630k-audioset-best.pt",
        licence=LICENCE,
        origin=ORIGIN,
        contents="embedding CLAP, trained on sounds, 28.2M parameters in its audio half",
    ),
    "music": File(
        name="music_audioset_epoch_15_esc_90.14.pt",
        licence=LICENCE,
        origin=ORIGIN,
        contents="embedding CLAP, trained on music too, 68.6M parameters in its audio half",
    ),
}
