// A chart of lines, bands, bars and walls in data units; the server says what, the picture is made here.
import { axis, drawn, halo, palette, percent, plain, tooltip, whole } from "waldstream-charts";

const FORMATS = { whole, percent, plain };
const DASHES = { dashed: [6, 4], dotted: [2, 3] };
// Lines of a comparison differ by dash and mark as well as by colour.
const MARKS = ["circle", "triangle", "rect", "diamond", "pin", "arrow", "roundRect", "circle"];

export default {
  mixins: [drawn],
  props: { spec: Object, label: String },
  data() {
    return { text: this.label };
  },
  mounted() {
    this.now = this.spec;
  },
  methods: {
    show(spec, label) {
      this.now = spec;
      this.text = label;
      this.draw();
    },
    band(color, { tone, low, high }) {
      const shared = { type: "line", stack: `band ${tone}`, silent: true, showSymbol: false, animation: false, lineStyle: { width: 0 } };
      const rise = high.map(([x, y], i) => [x, y - low[i][1]]);
      return [
        { ...shared, data: low, name: "" },
        { ...shared, data: rise, name: "", areaStyle: { color: color(`${tone}-soft`) } },
      ];
    },
    line(color, font, { name, tone, dash, width, points, step, mark, end }, i) {
      return {
        type: "line", name: name ?? "", data: points, showSymbol: false, animation: false, step: step ? "end" : false, z: 4,
        lineStyle: { color: color(tone), width: width ?? 1.75, type: DASHES[dash] ?? "solid", join: "round" },
        itemStyle: { color: color(tone) },
        markPoint: mark && points.length
          ? { silent: true, symbol: MARKS[i % MARKS.length], symbolSize: 10, animation: false, label: { show: false }, data: [{ coord: points[points.length - 1] }], itemStyle: { color: color(tone) } }
          : undefined,
        endLabel: end ? { ...font, show: true, formatter: end, color: color(tone) } : undefined,
      };
    },
    options() {
      const { x, y, lines = [], bands = [], bars = [], walls = [], levels = [], points = [] } = this.now;
      const color = palette();
      const narrow = this.$el.clientWidth < 480;
      const font = { fontFamily: color.font, fontSize: narrow ? 11 : 12 };
      const formats = { x: FORMATS[x.format] ?? plain, y: FORMATS[y.format] ?? plain };
      const lineLabel = (tone, text, position) => ({ ...font, position, color: color(tone), formatter: text, show: Boolean(text), ...halo(color) });
      const above = walls.some(({ text }) => text) ? 16 : 0; // the names of walls stand between the axis's and the chart
      const isLower = (y) => levels.some((other) => other.text && other.y > y); // two that are close stay readable
      const marks = [
        ...walls.map(({ x, text, tone, dash }) => ({ xAxis: x, lineStyle: { color: color(tone ?? "ink-3"), width: 1.5, type: DASHES[dash ?? "dotted"] ?? "solid" }, label: lineLabel(tone ?? "ink-3", text, "end") })),
        ...levels.map(({ y, text, tone, dash }) => ({ yAxis: y, lineStyle: { color: color(tone ?? "ink-3"), width: 1.25, type: DASHES[dash ?? "dashed"] ?? "solid" }, label: lineLabel(tone ?? "ink-3", text, isLower(y) ? "insideEndBottom" : "insideEndTop") })),
      ];
      return {
        animation: false,
        textStyle: font,
        grid: { left: 8, right: narrow ? 14 : 22, top: 34 + above, bottom: x.zoom ? 62 : 30, containLabel: true },
        xAxis: axis(color, font, { ...x, exact: x.max != null && !x.log, format: formats.x }),
        yAxis: axis(color, font, { ...y, exact: y.max != null && y.format !== "percent", vertical: true, gap: 11 + above, format: formats.y }),
        dataZoom: x.zoom ? [{ type: "slider", height: 16, bottom: 8, showDetail: false, brushSelect: false, borderColor: color("line-strong"), fillerColor: color("accent-soft"), handleStyle: { color: color("ink-3") }, filterMode: "none" }] : undefined,
        tooltip: tooltip(color, font, (found) => {
          const rows = (Array.isArray(found) ? found : [found]).filter((entry) => entry.seriesName);
          if (!rows.length) return "";
          const head = x.category ? x.category(rows[0].value[0]) : `${x.short ?? x.name} ${formats.x(rows[0].value[0])}`;
          return [head, ...rows.slice(0, 12).map((entry) => `${entry.seriesName}: ${formats.y(entry.value[1])}`)].join("\n");
        }),
        series: [
          ...bands.flatMap((band) => this.band(color, band)),
          ...bars.map(({ name, tone, points, width }) => ({
            type: "bar", name: name ?? "", data: points, barWidth: width ?? "86%", animation: false, itemStyle: { color: color(tone), borderRadius: [3, 3, 0, 0] },
          })),
          ...lines.map((line, i) => this.line(color, font, line, i)),
          ...points.map(({ x, y, text, tone }) => ({
            type: "scatter", name: "", data: [[x, y]], z: 9, silent: true, symbolSize: 12, animation: false,
            itemStyle: { color: color(tone ?? "ink"), borderColor: color("surface"), borderWidth: 1.5 },
            label: { ...font, show: Boolean(text), formatter: text, position: "top", color: color(tone ?? "ink"), fontWeight: 600, ...halo(color) },
          })),
          { type: "line", name: "", data: [], markLine: { silent: true, symbol: "none", animation: false, data: marks } },
        ],
      };
    },
  },
  template: `<div class="plot" role="img" :aria-label="text"><div ref="canvas" class="canvas" aria-hidden="true"></div></div>`,
};
