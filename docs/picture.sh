#!/usr/bin/env bash
# Makes docs/report.png: the beginning and the cases of the report that compares two networks on synthetic ultrasound images.
#
#   bash docs/picture.sh [PATH TO oncospec]
#
# and reports/sample.html: that report.
#
# Needs Chromium and pngquant (Debian: apt-get install chromium pngquant); takes about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
oncospec=$(realpath "${1:-target/debug/oncospec}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat > unet-bce.toml <<TOML
extends = "$repository/experiments/demo.toml"
name = "unet-bce"
description = "A small U-Net on synthetic ultrasound, trained on binary cross-entropy."
dataset.cases = 240
report = { cases = 8, best = 1, worst = 0, random = 0, film = { frames = 0 } }
loss = { kind = "bce" }
TOML
cat > unet-bce-dice.toml <<TOML
extends = "unet-bce.toml"
name = "unet-bce-dice"
description = "The same network, trained on binary cross-entropy and Dice."
loss = { kind = "sum", terms = [{ kind = "bce" }, { kind = "dice" }] }
TOML
"$oncospec" run unet-bce.toml unet-bce-dice.toml --device cpu --quiet --output report.html
cp report.html "$repository/reports/sample.html"

cat > parts.html <<'HTML'
<!doctype html>
<style>
body { margin: 0; line-height: 0; background: #98a4ae; }
iframe { border: 0; width: 1160px; height: 1052px; }
iframe + iframe { height: 620px; margin-top: 4px; }
</style>
<iframe src="report.html"></iframe><iframe src="report.html#cases"></iframe>
HTML
chromium --headless --no-sandbox --hide-scrollbars --allow-file-access-from-files --window-size=1160,1676 \
    --screenshot=report.png "file://$work/parts.html" 2> chromium.log || { cat chromium.log; exit 1; }
pngquant --force --output "$repository/docs/report.png" 48 report.png
ls -l "$repository/docs/report.png" "$repository/reports/sample.html"
