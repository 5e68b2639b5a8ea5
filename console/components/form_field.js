// One labelled field of a form, with help and the error that the server found in it.
export default {
  props: { name: String, label: String, help: String, kind: String, options: Array, value: String, error: String, placeholder: String },
  emits: ["given"],
  data() {
    return { now: this.value, wrong: this.error };
  },
  methods: {
    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(this.tell, 150);
    },
    tell() {
      clearTimeout(this.timer);
      this.$emit("given", this.now);
    },
    put(value) {
      this.now = value;
    },
    complain(error) {
      this.wrong = error;
    },
    focus() {
      this.$refs.control.focus();
    },
  },
  template: `
    <div class="field">
      <label class="label" :for="'field-' + name">{{ label }}</label>
      <select v-if="kind === 'select'" ref="control" class="input" :id="'field-' + name" v-model="now" @change="tell" :aria-invalid="wrong ? 'true' : 'false'" :aria-describedby="'about-' + name">
        <option v-for="[value, text] in options" :key="value" :value="value">{{ text }}</option>
      </select>
      <textarea v-else-if="kind === 'text' || kind === 'code'" :class="{ writing: kind === 'code' }" :spellcheck="kind === 'text'" ref="control" class="input" :id="'field-' + name" v-model="now" @input="later" @blur="tell" :aria-invalid="wrong ? 'true' : 'false'" :aria-describedby="'about-' + name"></textarea>
      <input v-else ref="control" class="input" :id="'field-' + name" v-model="now" @input="later" @blur="tell" :placeholder="placeholder" :inputmode="kind === 'number' ? 'decimal' : null" autocomplete="off" :aria-invalid="wrong ? 'true' : 'false'" :aria-describedby="'about-' + name" />
      <div :id="'about-' + name">
        <div v-if="wrong" class="error" role="alert">{{ wrong }}</div>
        <div v-else-if="help" class="help">{{ help }}</div>
      </div>
    </div>`,
};
