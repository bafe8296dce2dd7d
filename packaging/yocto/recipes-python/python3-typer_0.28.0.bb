SUMMARY = "Command line programs out of typed functions"
HOMEPAGE = "https://github.com/fastapi/typer"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=173d405eb704b1499218013178722617"

SRC_URI[sha256sum] = "69ab84ef79fd601cff071bbd2566d855ecadfd93adbc4b3360b9924359bdd857"

inherit pypi python_pdm

RDEPENDS:${PN} += "python3-annotated-doc python3-markdown-it-py python3-rich python3-shellingham"
