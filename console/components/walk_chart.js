// The walk between its boundaries. The server sends points and what is drawn around them; the picture is made here.
import { echarts } from "nicegui-echart";

const GAP = "\u202f";
const MINUS = "\u2212";
const MOST_POINTS = 4000;

const whole = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, GAP);
const nats = (value) => `${value > 0 ? "+" : ""}${value.toFixed(2)}`.replace("-", MINUS);

export default {
  props: { points: Array, frame: Object, label: String },
  data() {
    return { text: this.label };
  },
  mounted() {
    this.walk = [...this.points];
    this.around = this.frame;
    this.isWhole = false;
    this.chart = echarts.init(this.$refs.canvas, null, { renderer: "svg" });
    this.sizes = new ResizeObserver(() => this.chart.resize() || this.draw());
    this.sizes.observe(this.$el);
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.draw();
  },
  beforeUnmount() {
    this.sizes.disconnect();
    this.theme.disconnect();
    this.chart.dispose();
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
    whole_plan(isWhole) {
      this.isWhole = isWhole;
      this.draw();
    },
    save(name) {
      const link = document.createElement("a");
      link.href = this.chart.getDataURL({ type: "svg" });
      link.download = name;
      link.click();
    },
    draw() {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = null;
        this.chart.setOption(this.options(), { notMerge: true });
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
      let right = Math.max(n * 1.12, n && !this.isWhole ? Math.min(plan, Math.max(3 * n, 40)) : plan);
      if (limit && (this.isWhole || right > limit * 0.7)) right = Math.max(limit * 1.05, n * 1.02);
      const values = this.walk.map((point) => point[1]);
      const span = (upper ?? 3) - (lower ?? -3);
      const pad = Math.max(span * 0.2, 0.4);
      return {
        right: Math.ceil(right),
        top: Math.max(upper ?? 3, ...values) + pad,
        bottom: Math.min(lower ?? -3, ...values) - pad,
      };
    },
    options() {
      const style = getComputedStyle(document.body);
      const color = (name) => style.getPropertyValue(`--${name}`).trim();
      const { lower, upper, limit, drift0, drift1, pauses, decision } = this.around;
      const { right, top, bottom } = this.range();
      const narrow = this.$el.clientWidth < 560;
      const font = { fontFamily: style.fontFamily, fontSize: narrow ? 11 : 12 };
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
      if (limit && limit <= right) {
        lines.push({
          xAxis: limit,
          lineStyle: { color: color("ink-3"), width: 1.5, type: "dotted" },
          label: { ...font, position: "end", color: color("ink-3"), formatter: `limit ${whole(limit)}` },
        });
        areas.push([{ xAxis: limit, itemStyle: { color: color("idle-soft"), opacity: 0.7 } }, { xAxis: right }]);
      }
      for (const [n, isOpen] of pauses ?? [])
        lines.push({
          xAxis: n,
          lineStyle: { color: color("warn"), width: 1, type: "dashed" },
          label: { ...font, position: "end", color: color("warn"), formatter: isOpen ? "paused" : "pause" },
        });
      const ray = (slope, boundary, name, hypothesis) => {
        if (!slope) return [];
        const end = Math.min(right, (boundary ?? (slope > 0 ? top : bottom)) / slope);
        return [
          {
            type: "line", name: `expected if ${hypothesis} is true`, silent: true, showSymbol: false, animation: false,
            data: [[0, 0], [end, end * slope]],
            lineStyle: { color: color(name), width: 1.25, type: [5, 5], opacity: 0.85 },
          },
        ];
      };
      const data = [[0, 0], ...this.walk.map((point) => [point[0], point[1]])];
      const last = decision ? [decision.n, decision.llr] : data[data.length - 1];
      const tone = { accept_h1: "h1", accept_h0: "h0", inconclusive: "idle" }[decision?.outcome] ?? "ink";
      if (decision && data[data.length - 1][0] < decision.n) data.push(last);
      const words = { accept_h1: "H1 accepted", accept_h0: "H0 accepted", inconclusive: "inconclusive" }[decision?.outcome];
      const rightHalf = last[0] > right / 2;
      return {
        animation: false,
        textStyle: font,
        grid: { left: 8, right: narrow ? 12 : 20, top: narrow ? 42 : 28, bottom: 30, containLabel: true },
        xAxis: {
          type: "value", min: 0, max: right, name: "observations n", nameLocation: "middle", nameGap: 30,
          nameTextStyle: { ...font, color: color("ink-3") },
          axisLine: { lineStyle: { color: color("line-strong") } }, axisTick: { show: false }, splitLine: { show: false },
          axisLabel: { ...font, color: color("ink-3"), formatter: whole, hideOverlap: true, showMaxLabel: false },
        },
        yAxis: {
          type: "value", min: bottom, max: top, name: narrow ? "LLR (nats)" : "log-likelihood ratio (nats)", nameLocation: "end", nameGap: narrow ? 24 : 11,
          nameTextStyle: { ...font, color: color("ink-3"), align: "left", padding: [0, 0, 0, -6] },
          axisLine: { show: false }, axisTick: { show: false },
          splitLine: { lineStyle: { color: color("line"), width: 1 } },
          axisLabel: { ...font, color: color("ink-3"), showMinLabel: false, showMaxLabel: false, formatter: (v) => (v ? nats(v).replace(/\.?0+$/, "") : "0") },
        },
        tooltip: {
          trigger: "axis", renderMode: "richText", confine: true, transitionDuration: 0,
          backgroundColor: color("surface"), borderColor: color("line-strong"), padding: [8, 11],
          textStyle: { ...font, color: color("ink"), lineHeight: 18 },
          axisPointer: { type: "line", lineStyle: { color: color("line-strong"), type: "solid" } },
          formatter: (found) => {
            const point = (Array.isArray(found) ? found : [found]).find((entry) => entry.seriesName === "walk");
            if (!point) return "";
            const row = this.walk[point.dataIndex - 1];
            const text = [`n = ${whole(point.value[0])}`, `LLR ${nats(point.value[1])} nats`];
            if (row) text.push(`always-valid p ${row[2] < 1e-4 ? "< 0.0001" : row[2].toPrecision(3)}`, new Date(row[3] / 1000).toLocaleString());
            return text.join("\n");
          },
        },
        series: [
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
              align: tone === "h1" || tone === "h0" ? (last[0] > right * 0.82 ? "right" : last[0] < right * 0.18 ? "left" : "center") : undefined,
              formatter: !last[0] ? "" : decision ? `${words} at n = ${whole(decision.n)}` : nats(last[1]),
              textBorderColor: color("surface"), textBorderWidth: 3,
            },
          },
        ],
      };
    },
  },
  template: `<div class="walk-chart" role="img" :aria-label="text"><div ref="canvas" class="canvas" aria-hidden="true"></div></div>`,
};
