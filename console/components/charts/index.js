// What all charts share: numbers as people read them, the page's colours, axes in one style, and saving as a picture.

// What a component with a canvas, `options` and perhaps `begun` has in common with the others: it draws nothing before
// ECharts is there, and holds up nothing else of the page until then.
export const drawn = {
  async mounted() {
    const { echarts } = await import("nicegui-echart");
    if (this.isGone) return;
    this.chart = echarts.init(this.$refs.canvas, null, { renderer: "svg" });
    this.begun?.();
    this.end = keepDrawn(this.$el, this.chart, () => this.draw());
    this.draw();
  },
  beforeUnmount() {
    this.isGone = true;
    this.end?.();
  },
  methods: {
    save(name) {
      save(this.chart, name);
    },
    draw() {
      if (this.waiting || !this.chart) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = null;
        this.chart.setOption(this.options(), { notMerge: true });
      });
    },
  },
};

const GAP = "\u202f";
const MINUS = "\u2212";

export const whole = (value) => Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, GAP);
export const nats = (value) => `${value > 0 ? "+" : ""}${value.toFixed(2)}`.replace("-", MINUS);
export const percent = (value) => `${+(100 * value).toPrecision(3)}${GAP}%`;

export function plain(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return whole(value).replace("-", MINUS);
  return (+value.toPrecision(4)).toString().replace("-", MINUS);
}

// The page's tokens as ECharts needs them: values, for the theme that is in force now.
export function palette() {
  const style = getComputedStyle(document.body);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  color.font = style.fontFamily;
  return color;
}

// Text over lines is read through a rim of the ground's colour.
export const halo = (color) => ({ textBorderColor: color("surface"), textBorderWidth: 3 });

export function axis(color, font, given) {
  const vertical = given.vertical;
  return {
    type: given.log ? "log" : "value", min: given.min, max: given.max, name: given.name, scale: given.min == null,
    nameLocation: vertical ? "end" : "middle", nameGap: given.gap ?? (vertical ? 11 : 30),
    nameTextStyle: { ...font, color: color("ink-3"), ...(vertical ? { align: "left", padding: [0, 0, 0, -6] } : {}) },
    axisLine: { show: !vertical, onZero: false, lineStyle: { color: color("line-strong") } }, axisTick: { show: false },
    minorTick: { show: false },
    splitLine: { show: Boolean(vertical), lineStyle: { color: color("line"), width: 1 } },
    axisLabel: {
      ...font, color: color("ink-3"), hideOverlap: true, showMaxLabel: given.exact ? false : undefined,
      showMinLabel: given.exact && vertical ? false : undefined, formatter: given.format,
    },
  };
}

export function tooltip(color, font, formatter) {
  return {
    trigger: "axis", renderMode: "richText", confine: true, transitionDuration: 0,
    backgroundColor: color("surface"), borderColor: color("line-strong"), padding: [8, 11],
    textStyle: { ...font, color: color("ink"), lineHeight: 18 },
    axisPointer: { type: "line", lineStyle: { color: color("line-strong"), type: "solid" } },
    formatter,
  };
}

// Draws once per frame, again when the size or the theme changes; returns what ends it.
function keepDrawn(element, chart, draw) {
  const sizes = new ResizeObserver(() => {
    chart.resize();
    draw();
  });
  sizes.observe(element);
  const theme = new MutationObserver(draw);
  theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  return () => {
    sizes.disconnect();
    theme.disconnect();
    chart.dispose();
  };
}

function download(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

// Saves the chart as it stands, on the page's background: SVG as it is, PNG at three times the size of the screen.
async function save(chart, name) {
  const background = palette()("surface");
  const address = chart.getDataURL({ type: "svg", backgroundColor: background });
  if (name.endsWith(".svg")) return download(address, name);
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 3 * chart.getWidth();
  canvas.height = 3 * chart.getHeight();
  const context = canvas.getContext("2d");
  context.fillStyle = background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  download(canvas.toDataURL("image/png"), name);
}
