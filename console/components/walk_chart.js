// The walk between its boundaries. The server sends points and what is drawn around them; the picture is made here.
import { axis, drawn, halo, nats, palette, tooltip, whole } from "waldstream-charts";

const MOST_POINTS = 4000;

export default {
  mixins: [drawn],
  props: { points: Array, frame: Object, label: String },
  data() {
    return { text: this.label };
  },
  mounted() {
    this.walk = [...this.points];
    this.around = this.frame;
    this.view = { whole: false, axis: "n", envelope: "h1" };
    this.zoom = [0, 100];
  },
  methods: {
    append(points) {
      const last = this.walk.length ? this.walk[this.walk.length - 1][0] : 0;
      this.walk.push(...points.filter((point) => point[0] > last));
      if (this.walk.length > MOST_POINTS) this.walk = this.walk.filter((_, i) => i % 2 === 0 || i === this.walk.length - 1);
      this.draw();
    },
    replace(points, frame, label) {
      this.walk = [...points];
      this.around = frame;
      this.text = label;
      this.draw();
    },
    reframe(frame, label) {
      this.around = frame;
      this.text = label;
      this.draw();
    },
    describe(label) {
      this.text = label;
    },
    look(view) {
      this.view = { ...this.view, ...view };
      if (view.axis || "whole" in view) this.zoom = [0, 100];
      this.draw();
    },
    // Closer by half around the newest part that is seen, or all of it again.
    magnify(closer) {
      const [start, end] = this.zoom;
      this.zoom = closer ? [Math.min(start + (end - start) / 2, 98), end] : [0, 100];
      this.draw();
    },
    begun() {
      this.chart.on("datazoom", () => {
        const { start, end } = this.chart.getOption().dataZoom[0];
        this.zoom = [start, end];
      });
    },
    range() {
      const { lower, upper, limit, drift0, drift1, decision } = this.around;
      const n = Math.max(this.walk.length ? this.walk[this.walk.length - 1][0] : 0, decision?.n ?? 0);
      const planned = [];
      if (drift1 && upper != null) planned.push(upper / drift1);
      if (drift0 && lower != null) planned.push(lower / drift0);
      const plan = Math.max(...planned.map((value) => value * 1.2), 10);
      // Early on, the walk is shown close by; what the plan holds comes into view as the walk gets there.
      let right = Math.max(n * 1.12, n && !this.view.whole ? Math.min(plan, Math.max(3 * n, 40)) : plan);
      if (limit && (this.view.whole || right > limit * 0.7)) right = Math.max(limit * 1.05, n * 1.02);
      const values = this.walk.map((point) => point[1]);
      const span = (upper ?? 3) - (lower ?? -3);
      const pad = Math.max(span * 0.2, 0.4);
      return {
        right: Math.ceil(right),
        top: Math.max(upper ?? 3, ...values) + pad,
        bottom: Math.min(lower ?? -3, ...values) - pad,
      };
    },
    // The 5 to 95 % band of planned walks, and their median.
    band(color, rows, which, right) {
      if (!rows) return [];
      const inside = [[0, 0, 0, 0], ...rows.filter((row) => row[0] <= right)];
      const shared = { type: "line", silent: true, showSymbol: false, animation: false, z: 1 };
      return [
        { ...shared, name: "", stack: "planned", lineStyle: { width: 0 }, data: inside.map((row) => [row[0], row[1]]) },
        { ...shared, name: "", stack: "planned", lineStyle: { width: 0 }, areaStyle: { color: color(which), opacity: 0.13 }, data: inside.map((row) => [row[0], row[3] - row[1]]) },
        { ...shared, name: "", lineStyle: { color: color(which), width: 1, type: [1, 3] }, data: inside.map((row) => [row[0], row[2]]) },
      ];
    },
    options() {
      const color = palette();
      const { lower, upper, limit, drift0, drift1, pauses, decision, envelope } = this.around;
      const byTime = this.view.axis === "time" && this.walk.length > 0;
      const first = byTime ? this.walk[0][3] / 1000 : 0;
      const at = (point) => (byTime ? point[3] / 1000 : point[0]);
      const range = this.range();
      const { top, bottom } = range;
      const right = byTime ? first + Math.max((this.walk[this.walk.length - 1][3] / 1000 - first) * 1.06, 1000) : range.right;
      const narrow = this.$el.clientWidth < 560;
      const font = { fontFamily: color.font, fontSize: narrow ? 11 : 12 };
      const lines = [{ yAxis: 0, lineStyle: { color: color("line-strong"), width: 1, type: "solid" }, label: { show: false } }];
      const areas = [];
      const edge = (value, name, hypothesis, where) => {
        lines.push({
          yAxis: value,
          lineStyle: { color: color(name), width: 1.5, type: "solid" },
          label: { ...font, position: where, color: color(name), fontWeight: 500, formatter: `accept ${hypothesis} at ${nats(value)}` },
        });
      };
      if (upper != null) {
        edge(upper, "h1", "H1", "insideStartTop");
        areas.push([{ yAxis: upper, itemStyle: { color: color("h1-soft") } }, { yAxis: top }]);
      }
      if (lower != null) {
        edge(lower, "h0", "H0", "insideStartBottom");
        areas.push([{ yAxis: bottom, itemStyle: { color: color("h0-soft") } }, { yAxis: lower }]);
      }
      if (!byTime && limit && limit <= right) {
        lines.push({
          xAxis: limit,
          lineStyle: { color: color("ink-3"), width: 1.5, type: "dotted" },
          label: { ...font, position: "end", color: color("ink-3"), formatter: `limit ${whole(limit)}` },
        });
        areas.push([{ xAxis: limit, itemStyle: { color: color("idle-soft"), opacity: 0.7 } }, { xAxis: right }]);
      }
      for (const [n, isOpen, time] of pauses ?? [])
        lines.push({
          xAxis: byTime ? time : n,
          lineStyle: { color: color("warn"), width: 1, type: "dashed" },
          label: { ...font, position: "end", color: color("warn"), formatter: isOpen ? "paused" : "pause" },
        });
      const ray = (slope, boundary, name, hypothesis) => {
        if (!slope || byTime) return [];
        const end = Math.min(right, (boundary ?? (slope > 0 ? top : bottom)) / slope);
        return [
          {
            type: "line", name: `expected if ${hypothesis} is true`, silent: true, showSymbol: false, animation: false,
            data: [[0, 0], [end, end * slope]],
            lineStyle: { color: color(name), width: 1.25, type: [5, 5], opacity: 0.85 },
          },
        ];
      };
      const data = [[first, 0], ...this.walk.map((point) => [at(point), point[1]])];
      const isWhole = decision && data[data.length - 1][0] < decision.n && !byTime;
      const last = decision ? [byTime ? data[data.length - 1][0] : decision.n, decision.llr] : data[data.length - 1];
      const tone = { accept_h1: "h1", accept_h0: "h0", inconclusive: "idle" }[decision?.outcome] ?? "ink";
      if (isWhole) data.push(last);
      const words = { accept_h1: "H1 accepted", accept_h0: "H0 accepted", inconclusive: "inconclusive" }[decision?.outcome];
      const rightHalf = last[0] - first > (right - first) / 2;
      const share = (last[0] - first) / (right - first);
      return {
        animation: false,
        textStyle: font,
        grid: { left: 8, right: narrow ? 12 : 20, top: narrow ? 42 : 28, bottom: 62, containLabel: true },
        dataZoom: [
          { type: "slider", start: this.zoom[0], end: this.zoom[1], height: 16, bottom: 8, showDetail: false, brushSelect: false, filterMode: "none", borderColor: color("line-strong"), fillerColor: color("accent-soft"), handleStyle: { color: color("ink-3") }, dataBackground: { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } }, selectedDataBackground: { lineStyle: { opacity: 0 }, areaStyle: { opacity: 0 } } },
          { type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseMove: "shift", moveOnMouseWheel: false, filterMode: "none" },
        ],
        xAxis: {
          ...axis(color, font, { min: first, max: right, name: byTime ? "time of the record" : "observations n", exact: true, format: byTime ? undefined : whole }),
          type: byTime ? "time" : "value",
        },
        yAxis: {
          type: "value", min: bottom, max: top, name: narrow ? "LLR (nats)" : "log-likelihood ratio (nats)", nameLocation: "end", nameGap: narrow ? 24 : 11,
          nameTextStyle: { ...font, color: color("ink-3"), align: "left", padding: [0, 0, 0, -6] },
          axisLine: { show: false }, axisTick: { show: false },
          splitLine: { lineStyle: { color: color("line"), width: 1 } },
          axisLabel: { ...font, color: color("ink-3"), showMinLabel: false, showMaxLabel: false, formatter: (v) => (v ? nats(v).replace(/\.?0+$/, "") : "0") },
        },
        tooltip: tooltip(color, font, (found) => {
          const point = (Array.isArray(found) ? found : [found]).find((entry) => entry.seriesName === "walk");
          if (!point) return "";
          const row = this.walk[point.dataIndex - 1];
          const text = [`n = ${whole(row ? row[0] : point.value[0])}`, `LLR ${nats(point.value[1])} nats`];
          if (row) text.push(`always-valid p ${row[2] < 1e-4 ? "< 0.0001" : row[2].toPrecision(3)}`, new Date(row[3] / 1000).toLocaleString());
          return text.join("\n");
        }),
        series: [
          ...(byTime ? [] : this.band(color, envelope?.[this.view.envelope], this.view.envelope, right)),
          {
            type: "line", name: "walk", data, showSymbol: false, z: 5, silent: false,
            lineStyle: { color: color("ink"), width: 1.75, join: "round" }, itemStyle: { color: color("ink") },
            markLine: { silent: true, symbol: "none", animation: false, data: lines },
            markArea: { silent: true, animation: false, data: areas },
          },
          ...ray(drift1, upper, "h1", "H1"),
          ...ray(drift0, lower, "h0", "H0"),
          {
            type: "scatter", name: "last point", data: [last], z: 8, silent: true, symbolSize: decision ? 15 : 13,
            symbol: decision ? { accept_h1: "triangle", accept_h0: "path://M0 0L10 0L5 9Z", inconclusive: "diamond" }[decision.outcome] : "circle",
            itemStyle: { color: color(tone), borderColor: color("surface"), borderWidth: 1.5 },
            label: {
              ...font, show: true, color: color(tone), fontWeight: 600, distance: 9,
              position: { h1: "top", h0: "bottom" }[tone] ?? (rightHalf ? "left" : "right"),
              align: tone === "h1" || tone === "h0" ? (share > 0.82 ? "right" : share < 0.18 ? "left" : "center") : undefined,
              formatter: !this.walk.length && !decision ? "" : decision ? `${words} at n = ${whole(decision.n)}` : nats(last[1]),
              ...halo(color),
            },
          },
        ],
      };
    },
  },
  template: `<div class="walk-chart" role="img" :aria-label="text"><div ref="canvas" class="canvas" aria-hidden="true"></div></div>`,
};
