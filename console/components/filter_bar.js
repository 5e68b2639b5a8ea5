// Search, state, outcome and order; every change is told at once, typing after a short rest.
export default {
  props: { filter: Object, states: Array, outcomes: Array, sorts: Array },
  emits: ["narrow"],
  data() {
    return { now: { ...this.filter } };
  },
  methods: {
    tell() {
      clearTimeout(this.timer);
      this.$emit("narrow", { ...this.now });
    },
    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(this.tell, 180);
    },
    choose(state) {
      this.now.state = state;
      this.tell();
    },
    clear() {
      this.now = { ...this.now, q: "", state: "", outcome: "", reason: "", owner: "", tag: "" };
      this.tell();
    },
    reset(filter) {
      this.now = { ...filter };
    },
  },
  computed: {
    narrow() {
      return ["q", "state", "outcome", "reason", "owner", "tag"].some((name) => this.now[name]);
    },
  },
  template: `
    <search class="filters">
      <div class="search">
        <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.6" aria-hidden="true"><circle cx="7" cy="7" r="4.6"/><path d="m10.5 10.5 3.4 3.4" stroke-linecap="round"/></svg>
        <input class="input" type="search" v-model="now.q" @input="later" @keydown.enter="tell" placeholder="Search title, id, owner, tag" aria-label="Search title, id, owner or tag" maxlength="200" />
      </div>
      <div v-if="states.length" class="segments" role="group" aria-label="State">
        <button v-for="[value, text] in states" type="button" :key="value" :aria-pressed="now.state === value ? 'true' : 'false'" @click="choose(value)">{{ text }}</button>
      </div>
      <select v-if="outcomes.length" class="input" v-model="now.outcome" @change="tell" aria-label="Outcome">
        <option v-for="[value, text] in outcomes" :key="value" :value="value">{{ text }}</option>
      </select>
      <select v-if="sorts.length" class="input" v-model="now.sort" @change="tell" aria-label="Order">
        <option v-for="[value, text] in sorts" :key="value" :value="value">{{ text }}</option>
      </select>
      <button v-if="narrow" type="button" class="button small" @click="clear">Clear</button>
    </search>`,
};
