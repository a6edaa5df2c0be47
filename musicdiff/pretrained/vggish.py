"""VGGish (arXiv 1609.09430): an embedding of sound, trained on the tags of eight million hours of video."""

from musicdiff.pretrained import File

PUBLISHED = {
    "": File(
        name="vggish-10086976.pth",
        licence="Apache-2.0",
        origin="release v0.1 of torchvggish",
        contents="embedding VGGish, 72.1M parameters",
    )
}
