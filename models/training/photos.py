"""Collect the sample photographs: shrink each to at most 400 pixels, write JPEGs and their credits.

Only photographs whose source states CC0, the public domain or CC BY are taken, and each is of something an
ImageNet classifier may meet: no diagrams, logos or microscopy.
"""

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import skimage.data
import sklearn.datasets
from cards import MODELS
from PIL import Image
from qtresource import find_file

FOLDER = MODELS / "photos"
LONGEST_SIDE = 400
QUALITY = 88

CC0 = "CC0 1.0"
PUBLIC_DOMAIN = "Public domain"
CC_BY = "CC BY 2.0"
COMMONS = "https://commons.wikimedia.org/wiki/File:"
FLICKR = "https://www.flickr.com/photos/"
SKIMAGE = "scikit-image"
SKLEARN = "scikit-learn"
GCOMPRIS = "gcompris-qt-data"


@dataclass(frozen=True)
class Photo:
    """One photograph: what it shows, whose it is, and where it is taken from.

    Attributes:
        name: Stem of the file written.
        subject: What is to be seen.
        author: As the source states it.
        licence: As the source states it.
        origin: Where the package got it from, or an empty string where it doesn't say.
        package: The package it is taken from.
        key: How to find it there: a function of `skimage.data`, a file of scikit-learn, or `bundle/file` of
            GCompris.
    """

    name: str
    subject: str
    author: str
    licence: str
    origin: str
    package: str
    key: str


PHOTOS = (
    Photo(
        "astronaut",
        "Astronaut Eileen Collins",
        "NASA",
        PUBLIC_DOMAIN,
        "https://flic.kr/p/r9qvLn",
        SKIMAGE,
        "astronaut",
    ),
    Photo("cameraman", "Man with a camera on a tripod", "Lav Varshney", CC0, "", SKIMAGE, "camera"),
    Photo("cat", "Chelsea the cat", "Stefan van der Walt", CC0, "", SKIMAGE, "chelsea"),
    Photo(
        "coffee",
        "Cup of espresso",
        "Rachel Michetti, courtesy of Pikolo Espresso Bar",
        CC0,
        "",
        SKIMAGE,
        "coffee",
    ),
    Photo(
        "rocket",
        "Launch of a Falcon 9",
        "SpaceX",
        PUBLIC_DOMAIN,
        f"{FLICKR}spacexphotos/16511594820/",
        SKIMAGE,
        "rocket",
    ),
    Photo(
        "temple",
        "Chinese temple",
        "danielbuechele",
        CC_BY,
        f"{FLICKR}danielbuechele/6061409035/",
        SKLEARN,
        "china.jpg",
    ),
    Photo("flower", "Flower", "vultilion", CC_BY, f"{FLICKR}vultilion/6056698931/", SKLEARN, "flower.jpg"),
    Photo(
        "baseball",
        "Baseball",
        "Cody escadron delta",
        PUBLIC_DOMAIN,
        f"{COMMONS}Baseball_ball.jpg",
        GCOMPRIS,
        "categorization/others/baseball.webp",
    ),
    Photo(
        "bison",
        "American bison",
        "Kurt Kaiser",
        CC0,
        f"{COMMONS}American_Bison_9.jpg",
        GCOMPRIS,
        "explore_world_animals/bison.webp",
    ),
    Photo(
        "clownfish",
        "Clownfish in a sea anemone",
        "Jan Derk",
        PUBLIC_DOMAIN,
        f"{COMMONS}Common_clownfish.jpg",
        GCOMPRIS,
        "categorization/fishes/fish9.webp",
    ),
    Photo(
        "crab",
        "Sally Lightfoot crab",
        "Nosferattus",
        CC0,
        f"{COMMONS}Sally_Lightfoot_Crab_2019.jpg",
        GCOMPRIS,
        "erase/crab.webp",
    ),
    Photo(
        "dam",
        "River dam",
        "László Szalai",
        PUBLIC_DOMAIN,
        f"{COMMONS}Bekes-dam_duzzaszto.jpg",
        GCOMPRIS,
        "categorization/renewable/dam2.webp",
    ),
    Photo(
        "great_wall",
        "Great Wall of China at Mutianyu",
        "Ahazan",
        PUBLIC_DOMAIN,
        f"{COMMONS}Great_wall_of_china-mutianyu_4.JPG",
        GCOMPRIS,
        "categorization/monuments/greatWall.webp",
    ),
    Photo(
        "hammer",
        "Hammer",
        "Marina Shemesh",
        CC0,
        "https://publicdomainpictures.net/en/view-image.php?image=134245",
        GCOMPRIS,
        "categorization/tools/hammer1.webp",
    ),
    Photo(
        "hens",
        "Hens on a lawn",
        "Tranquilles",
        PUBLIC_DOMAIN,
        f"{COMMONS}Chickens_at_Tranquilles_B%26B.JPG",
        GCOMPRIS,
        "explore_farm_animals/chicken.webp",
    ),
    Photo(
        "koala",
        "Koala",
        "BurningWell",
        PUBLIC_DOMAIN,
        f"{COMMONS}Koala_Perth_Zoo.jpg",
        GCOMPRIS,
        "explore_world_animals/koala.webp",
    ),
    Photo(
        "komodo_dragon",
        "Komodo dragon",
        "TimVickers",
        PUBLIC_DOMAIN,
        f"{COMMONS}Varanus_komodoensis_(5).jpg",
        GCOMPRIS,
        "explore_world_animals/dragon.webp",
    ),
    Photo(
        "lemurs",
        "Ring-tailed lemurs",
        "Mathias Appel",
        CC0,
        f"{COMMONS}Lemur_(37122852696).jpg",
        GCOMPRIS,
        "explore_world_animals/lemur.webp",
    ),
    Photo(
        "macaw",
        "Scarlet macaw",
        "Dcoetzee",
        CC0,
        f"{COMMONS}Scarlet_macaw_at_Cougar_Mountain_Zoological_Park.jpg",
        GCOMPRIS,
        "explore_world_animals/scarlet_macaw.webp",
    ),
    Photo(
        "pan",
        "Cast-iron frying pan",
        "Suricata",
        PUBLIC_DOMAIN,
        f"{COMMONS}Pfanne_(Gusseisen).jpg",
        GCOMPRIS,
        "categorization/others/pan.webp",
    ),
    Photo(
        "polar_bear",
        "Polar bear on snow",
        "anonymous",
        PUBLIC_DOMAIN,
        f"{COMMONS}Churchill_Wildlife_Management_Area_polar_bear30.JPG",
        GCOMPRIS,
        "explore_world_animals/polar_bear.webp",
    ),
    Photo(
        "red_panda",
        "Red panda",
        "Mathias Appel",
        CC0,
        f"{COMMONS}Red_Panda_(30324056733).jpg",
        GCOMPRIS,
        "erase/red_panda.webp",
    ),
    Photo(
        "sheep",
        "Sheep in a meadow",
        "Rob Mitchell",
        CC0,
        f"{COMMONS}Sheep_(33625876592).jpg",
        GCOMPRIS,
        "explore_farm_animals/sheep.webp",
    ),
    Photo(
        "solar_dish",
        "Solar cooker",
        "Fluffyarse",
        CC0,
        f"{COMMONS}%22Sungril%22_solar_cooker_photo1.jpg",
        GCOMPRIS,
        "categorization/renewable/solar1.webp",
    ),
)

HEADER = """\
# Credits of the sample photographs

Written by `models/training/photos.py`. Authors and licences are as the packages state them: scikit-image
{skimage} in the docstrings of `skimage.data`, scikit-learn {sklearn} in `datasets/images/README.txt`,
GCompris 3.1 (Debian's `gcompris-qt-data`) in the `README` files inside its bundles. None was cropped here: each
is the whole picture as the package has it (GCompris crops and sharpens some of its own).

- CC0 1.0: https://creativecommons.org/publicdomain/zero/1.0/
- CC BY 2.0: https://creativecommons.org/licenses/by/2.0/

scikit-learn's README gives `danielbuechele` as the author of both of its photographs, but links the flower's
to the account `vultilion`, whose page it also gives as the source; the link is followed here.

| file | subject | author | licence | source | package | changes |
|---|---|---|---|---|---|---|
"""


def load(photo: Photo, gcompris: Path) -> Image.Image:
    """Load one photograph as RGB from the package that ships it."""
    if photo.package == SKIMAGE:
        return Image.fromarray(getattr(skimage.data, photo.key)()).convert("RGB")
    if photo.package == SKLEARN:
        return Image.fromarray(sklearn.datasets.load_sample_image(photo.key))
    bundle, inner = photo.key.split("/", 1)
    return Image.open(io.BytesIO(find_file(gcompris / f"{bundle}.rcc", inner))).convert("RGB")


def shrink(image: Image.Image) -> tuple[Image.Image, str]:
    """Shrink to the longest side allowed, and say what was done."""
    factor = LONGEST_SIDE / max(image.size)
    if factor >= 1:
        return image, f"saved as JPEG, quality {QUALITY}"
    size = (round(image.width * factor), round(image.height * factor))
    sizes = f"from {image.width} x {image.height} to {size[0]} x {size[1]}"
    changes = f"shrunk {sizes}, saved as JPEG, quality {QUALITY}"
    return image.resize(size, Image.Resampling.LANCZOS), changes


def credit(photo: Photo, changes: str) -> str:
    """Write one row of the credits."""
    file = f"`{photo.name}.jpg`"
    cells = (file, photo.subject, photo.author, photo.licence, photo.origin or "–", photo.package, changes)
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Write all photographs and `CREDITS.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--gcompris",
        type=Path,
        default=Path("/usr/share/gcompris-qt/rcc"),
        help="folder of the .rcc bundles of Debian's gcompris-qt-data 3.1",
    )
    gcompris = parser.parse_args().gcompris
    FOLDER.mkdir(exist_ok=True)
    rows = []
    for photo in PHOTOS:
        image, changes = shrink(load(photo, gcompris))
        image.save(FOLDER / f"{photo.name}.jpg", quality=QUALITY, optimize=True)
        rows.append(credit(photo, changes))
    header = HEADER.format(skimage=skimage.__version__, sklearn=sklearn.__version__)
    (FOLDER / "CREDITS.md").write_text(header + "".join(rows), "utf-8")
    total = sum(file.stat().st_size for file in FOLDER.glob("*.jpg"))
    print(f"{len(PHOTOS)} photographs, {total:,} bytes")


if __name__ == "__main__":
    main()
