// Search, state, outcome and order; every change is in the address and told at once, typing after a short rest.
export default {
  props: { filter: Object, states: Array, outcomes: Array, sorts: Array },
  emits: ["narrow"],
  data() {
    let views = [];
    try {
      views = JSON.parse(localStorage.getItem("waldstream-views") ?? "[]").filter((view) => typeof view.name === "string" && typeof view.query === "string");
    } catch {}
    return { now: { ...this.filter }, views, name: "", isNaming: false, isKept: false };
  },
  methods: {
    tell() {
      clearTimeout(this.timer);
      // Before the server answers: a reload, or a link copied at once, has the filter.
      const query = String(new URLSearchParams(Object.entries(this.now).filter(([name, value]) => value && `${name}=${value}` !== "sort=newest")));
      history.replaceState({}, "", window.location.pathname + (query && `?${query}`));
      this.$emit("narrow", { ...this.now });
    },
    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(this.tell, 90);
    },
    choose(state) {
      this.now.state = state;
      this.tell();
    },
    clear() {
      this.now = { ...this.now, q: "", state: "", outcome: "", reason: "", owner: "", tag: "" };
      this.tell();
    },
    keep() {
      const name = this.name.trim();
      if (!name) return;
      this.views = [...this.views.filter((view) => view.name !== name), { name, query: window.location.search }].slice(-30);
      this.store();
    },
    forget() {
      this.views = this.views.filter((view) => view.query !== window.location.search);
      this.store();
    },
    store() {
      this.isNaming = false;
      this.name = "";
      try {
        localStorage.setItem("waldstream-views", JSON.stringify(this.views));
      } catch {}
    },
    visit(event) {
      window.location.assign(window.location.pathname + event.target.value);
    },
    begin() {
      this.isNaming = true;
      this.isKept = this.views.some((view) => view.query === window.location.search);
      this.$nextTick(() => this.$refs.name.focus());
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
      <template v-if="states.length">
        <select v-if="views.length" class="input" @change="visit" aria-label="Saved views">
          <option value="" disabled selected>Saved views</option>
          <option v-for="view in views" :key="view.name" :value="view.query">{{ view.name }}</option>
        </select>
        <form v-if="isNaming" class="naming" @submit.prevent="keep">
          <input class="input" ref="name" v-model="name" maxlength="40" placeholder="Name of this view" aria-label="Name of this view" @keydown.esc="isNaming = false" />
          <button type="submit" class="button small">Save</button>
          <button v-if="isKept" type="button" class="button small" @click="forget">Remove view</button>
          <button type="button" class="button small" @click="isNaming = false">Cancel</button>
        </form>
        <button v-else type="button" class="button small" @click="begin">Save view</button>
      </template>
    </search>`,
};
