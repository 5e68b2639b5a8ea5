// A table of plain cells: text, perhaps a link, a line below, a state chip. On a phone each row is a list of pairs.
export default {
  props: { columns: Array, rows: Array, label: String },
  data() {
    return { items: this.rows };
  },
  methods: {
    replace(rows) {
      this.items = rows;
    },
  },
  template: `
    <table class="grid" :aria-label="label">
      <thead><tr><th v-for="column in columns" :key="column.name" scope="col" :class="column.align" :title="column.title">{{ column.name }}</th></tr></thead>
      <tbody>
        <tr v-for="row in items" :key="row.key" :data-row="row.key">
          <td v-for="(cell, i) in row.cells" :key="i" :class="[columns[i].align, { first: !i }]" :data-label="columns[i].name">
            <div>
              <span v-if="cell.glyph" class="chip" :class="cell.tone"><span class="glyph" aria-hidden="true">{{ cell.glyph }}</span>{{ cell.text }}</span>
              <a v-else-if="cell.href" :href="cell.href">{{ cell.text }}</a>
              <span v-else>{{ cell.text }}</span>
              <div v-if="cell.sub" class="sub">{{ cell.sub }}</div>
            </div>
          </td>
        </tr>
      </tbody>
    </table>`,
};
