"""In: nothing. Out: how the session report looks, on a screen and on paper."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1b1f24; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 1.6rem 0 .5rem; break-after: avoid; }
.note { border-left: .25rem solid #7a4b00; padding-left: .75rem; color: #4a3200; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .25rem 1.5rem; margin: 0; }
dl div { display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid #d0d7de; }
dt { color: #4a525a; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .75rem .2rem 0; border-bottom: 1px solid #d0d7de; }
tr { break-inside: avoid; }
.plot { width: 100%; height: auto; break-inside: avoid; margin-top: .75rem; }
.plot text { font: 12px system-ui, sans-serif; fill: #4a525a; }
.grid { stroke: #e1e4e8; }
.level { stroke: #6e7781; stroke-dasharray: 4 4; }
text.level { stroke: none; }
.set { fill: #dbe9f9; }
.mark { stroke-width: 2; }
.pause { stroke: #1b1f24; stroke-dasharray: 2 3; }
.curve { fill: none; stroke-width: 2; }
.valence, .attention { stroke: #0550ae; }
.arousal { stroke: #a04100; stroke-dasharray: 8 3; }
.risk { stroke: #7a4b00; stroke-dasharray: 8 3; }
.crisis { stroke: #a40e26; }
.key { margin: 0 0 .5rem; font-size: .875rem; }
.swatch { margin-right: 1rem; border-bottom: 3px solid; padding-bottom: 1px; }
.swatch.valence, .swatch.attention { border-color: #0550ae; }
.swatch.arousal { border-color: #a04100; border-bottom-style: dashed; }
.swatch.risk { border-color: #7a4b00; border-bottom-style: dashed; }
.swatch.crisis { border-color: #a40e26; }
footer { margin-top: 2rem; color: #4a525a; font-size: .875rem; }
@media print {
  @page { margin: 15mm; }
  main { max-width: none; padding: 0; }
  body { font-size: 11pt; }
  .set { fill: #e8e8e8; }
}
"""
