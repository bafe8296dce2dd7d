SUMMARY = "Edge runtime that runs AWS IoT Greengrass v2 components"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=9d5d448a3fa430865d92e21d4d01200c"

# Where your copy of the source is, for example "git.example.com/ggl.git;protocol=https".
GGL_REPOSITORY ?= "example.invalid/ggl.git;protocol=https"
GGL_BRANCH ?= "main"
SRC_URI = "git://${GGL_REPOSITORY};branch=${GGL_BRANCH}"
SRCREV ?= "${AUTOREV}"

inherit python_hatchling bash-completion features_check systemd useradd

REQUIRED_DISTRO_FEATURES = "systemd usrmerge"

# The daemons may not write where they are installed, so they get their byte code here.
INSTALL_WHEEL_COMPILE_BYTECODE = "--compile-bytecode=0"

# The units, users and directories, for the Python of the device: made by the code that is installed.
DEPENDS += "python3-msgpack-native"
do_install:append() {
    PYTHONPATH=${S}/daemons nativepython3 -c "
from pathlib import Path
from ggl.host.systemd.install import stage
from ggl.host.systemd.layout import Layout
stage(Layout(command=('${bindir}/python3', '-I')), Path('${D}'), Path('${systemd_system_unitdir}'.lstrip('/')))
"
}

# The image needs the users before anything of ours runs, also when its root file system is read-only.
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system ggcore; --system ggc_group"
USERADD_PARAM:${PN} = "\
    --system --gid ggcore --home-dir /var/lib/greengrass --no-create-home --shell /sbin/nologin ggcore; \
    --system --user-group --groups ggc_group --home-dir /var/lib/ggc_user --no-create-home --shell /sbin/nologin ggc_user \
"

# Everything hangs from the target.
SYSTEMD_SERVICE:${PN} = "greengrass-lite.target"

PACKAGE_BEFORE_PN += "${PN}-fish-completion ${PN}-zsh-completion"
FILES:${PN}-fish-completion = "${datadir}/fish"
FILES:${PN}-zsh-completion = "${datadir}/zsh"
FILES:${PN} += "${systemd_system_unitdir} ${nonarch_libdir}/sysusers.d ${nonarch_libdir}/tmpfiles.d"

RDEPENDS:${PN} = "\
    python3-compression \
    python3-core \
    python3-crypt \
    python3-ctypes \
    python3-datetime \
    python3-difflib \
    python3-io \
    python3-jeepney \
    python3-json \
    python3-math \
    python3-msgpack \
    python3-netclient \
    python3-paho-mqtt \
    python3-pysocks \
    python3-pyyaml \
    python3-resource \
    python3-rich \
    python3-semantic-version \
    python3-shell \
    python3-sqlite3 \
    python3-threading \
    python3-typer \
"

# Artifacts in S3, images in ECR.
RRECOMMENDS:${PN} = "ca-certificates"
