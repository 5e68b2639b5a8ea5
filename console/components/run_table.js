// A list of runs: rows come whole at first, later only those that changed. All text is text, never markup.
const WIDTH = 160;
const HEIGHT = 34;

export default {
  props: { rows: Array, kind: String, label: String },
  emits: ["pick"],
  data() {
    return { items: this.rows, now: Date.now(), picked: [] };
  },
  computed: {
    hasAll() {
      return this.items.length > 0 && this.items.every((row) => this.picked.includes(row.key));
    },
  },
  watch: {
    picked(keys) {
      this.$emit("pick", keys);
    },
  },
  mounted() {
    this.timer = setInterval(() => (this.now = Date.now()), 1000);
  },
  beforeUnmount() {
    clearInterval(this.timer);
  },
  methods: {
    replace(rows) {
      this.items = rows;
    },
    patch(rows) {
      const changed = new Map(rows.map((row) => [row.key, row]));
      this.items = this.items.map((row) => changed.get(row.key) ?? row);
    },
    pick_all(event) {
      this.picked = event.target.checked ? this.items.map((row) => row.key) : [];
    },
    unpick() {
      if (this.picked.length) this.picked = [];
    },
    ago(iso) {
      const seconds = Math.max(0, Math.round((this.now - Date.parse(iso)) / 1000));
      if (seconds < 5) return "just now";
      for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]])
        if (seconds >= size) return `${Math.floor(seconds / size)}\u202f${unit} ago`;
    },
    spark(row) {
      const points = row.spark;
      if (!points || points.length < 2) return null;
      const values = points.map((point) => point[1]);
      const top = Math.max(row.upper ?? 0, ...values, 0.1);
      const bottom = Math.min(row.lower ?? 0, ...values, -0.1);
      const first = points[0][0];
      const span = Math.max(points[points.length - 1][0] - first, 1);
      const x = (n) => ((n - first) / span) * WIDTH;
      const y = (llr) => HEIGHT - 2 - ((llr - bottom) / (top - bottom)) * (HEIGHT - 4);
      const last = points[points.length - 1];
      return {
        walk: points.map(([n, llr], i) => `${i ? "L" : "M"}${x(n).toFixed(1)} ${y(llr).toFixed(1)}`).join(""),
        upper: row.upper == null ? null : y(row.upper),
        lower: row.lower == null ? null : y(row.lower),
        zero: y(0),
        dot: { left: `${(x(last[0]) / WIDTH) * 100}%`, top: `${(y(last[1]) / HEIGHT) * 100}%` },
      };
    },
    gauge(row) {
      if (row.llr == null || row.upper == null) return null;
      const low = row.lower ?? -row.upper;
      const at = (llr) => Math.min(Math.max((llr - low) / (row.upper - low), 0), 1) * 100;
      const zero = at(0);
      const mark = at(row.llr);
      return {
        zero: `left:${zero}%`,
        mark: `left:${mark}%`,
        side: mark >= zero ? "h1" : "h0",
        fill: `left:${Math.min(zero, mark)}%;width:${Math.abs(mark - zero)}%`,
      };
    },
  },
  template: `
    <table class="runs" :aria-label="label">
      <colgroup v-if="kind === 'active'">
        <col style="width:27%"><col style="width:13%"><col style="width:17%"><col style="width:21%"><col style="width:14%"><col style="width:8%">
      </colgroup>
      <colgroup v-else-if="kind === 'ended'">
        <col style="width:31%"><col style="width:14%"><col style="width:19%"><col style="width:14%"><col style="width:12%"><col style="width:10%">
      </colgroup>
      <colgroup v-else><col style="width:38%"><col style="width:14%"><col style="width:36%"><col style="width:12%"></colgroup>
      <thead>
        <tr v-if="kind === 'active'"><th><input type="checkbox" class="pick" :checked="hasAll" @change="pick_all" aria-label="Select all active runs shown" /><span>Experiment</span></th><th>State</th><th>Walk</th><th>Between the boundaries</th><th>Observations</th><th class="right"><abbr title="always-valid p-value: it may be read at any time">p</abbr></th></tr>
        <tr v-else-if="kind === 'ended'"><th><input type="checkbox" class="pick" :checked="hasAll" @change="pick_all" aria-label="Select all ended runs shown" /><span>Experiment</span></th><th>Outcome</th><th>Why</th><th>Walk</th><th>Observations</th><th class="right">Ended</th></tr>
        <tr v-else><th><input type="checkbox" class="pick" :checked="hasAll" @change="pick_all" aria-label="Select all shown that have not started" /><span>Experiment</span></th><th>State</th><th>Design</th><th class="right">Defined</th></tr>
      </thead>
      <tbody>
        <tr v-for="row in items" :key="row.key" :data-run="row.key">
          <td class="name">
            <input type="checkbox" class="pick" v-model="picked" :value="row.key" :aria-label="'Select ' + row.title + ', ' + row.key" />
            <div class="text">
              <a :href="row.href" :title="row.title">{{ row.title }}</a>
              <div class="sub">{{ row.sub }}</div>
            </div>
          </td>
          <td class="state">
            <span class="chip" :class="row.tone"><span class="glyph" aria-hidden="true">{{ row.glyph }}</span>{{ row.state }}</span>
          </td>
          <template v-if="kind === 'waiting'">
            <td class="wide"><div>{{ row.design }}</div><div class="sub">{{ row.why }}</div></td>
            <td class="right sub"><time :datetime="row.since" :title="row.since">{{ ago(row.since) }}</time></td>
          </template>
          <template v-else>
            <td v-if="kind === 'ended'" class="why"><div>{{ row.why }}</div><div class="sub">{{ row.detail }}</div></td>
            <td class="wide">
              <div v-if="spark(row)" class="spark-box" role="img" :aria-label="row.walk_label">
                <svg class="spark" viewBox="0 0 160 34" preserveAspectRatio="none" aria-hidden="true">
                  <line class="zero" x1="0" x2="160" :y1="spark(row).zero" :y2="spark(row).zero" />
                  <line v-if="spark(row).upper != null" class="edge h1" x1="0" x2="160" :y1="spark(row).upper" :y2="spark(row).upper" />
                  <line v-if="spark(row).lower != null" class="edge h0" x1="0" x2="160" :y1="spark(row).lower" :y2="spark(row).lower" />
                  <path class="walk" :d="spark(row).walk" />
                </svg>
                <span class="dot" :class="row.tone" :style="spark(row).dot"></span>
              </div>
              <span v-else class="sub">{{ row.blind ? 'blinded' : kind === 'active' ? 'waiting for observations' : '–' }}</span>
            </td>
            <td v-if="kind === 'active'" class="wide">
              <template v-if="gauge(row)">
                <div class="gauge" role="img" :aria-label="row.gauge_label">
                  <div class="track"></div>
                  <div class="fill" :class="gauge(row).side" :style="gauge(row).fill"></div>
                  <div class="zero" :style="gauge(row).zero"></div>
                  <div class="mark" :style="gauge(row).mark"></div>
                </div>
                <div class="gauge-ends" aria-hidden="true"><span>{{ row.to_h0 }}</span><span>{{ row.to_h1 }}</span></div>
              </template>
            </td>
            <td class="number">
              <div>{{ row.n }}<span v-if="row.limit" class="sub"> / {{ row.limit }}</span></div>
              <div v-if="row.share != null" class="bar" role="progressbar" :aria-valuenow="Math.round(row.share * 100)" aria-valuemin="0" aria-valuemax="100" aria-label="share of the limit"><i :style="{ width: row.share * 100 + '%' }"></i></div>
            </td>
            <td v-if="kind === 'active'" class="number right"><span class="only-phone">p = </span>{{ row.p }}</td>
            <td v-else class="right sub"><time :datetime="row.since" :title="row.since">{{ ago(row.since) }}</time></td>
          </template>
        </tr>
      </tbody>
    </table>`,
};
